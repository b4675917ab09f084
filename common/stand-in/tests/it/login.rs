//! Who is let in: ECR's tokens and their end, a plain registry's users, the tokens of a realm.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use countersign_stand_in::{Login, Options, RegistryMode};
use serde_json::{Value, json};

use crate::world::{World, basic};

const GET_TOKEN: &str = "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken";

fn with_login(login: Login) -> World {
    World::new(Options {
        registry: RegistryMode::PlainOci(login),
        ..Options::default()
    })
}

async fn ecr_token(world: &World) -> Value {
    let answer = world.aws(GET_TOKEN, json!({})).await;
    assert_eq!(answer.status, 200);
    answer.json()["authorizationData"][0].clone()
}

#[tokio::test]
async fn ecr_challenges_in_text() {
    let world = World::ecr();
    let answer = world.ask("GET", &world.at("/v2/"), &[], "").await;
    assert_eq!(
        (answer.status, answer.text().as_str()),
        (401, "Not Authorized\n")
    );
    assert_eq!(
        answer.header("www-authenticate"),
        format!(
            "Basic realm=\"{}\",service=\"ecr.amazonaws.com\"",
            world.at("/")
        )
    );
}

#[tokio::test]
async fn ecr_lets_its_own_token_in() {
    let world = World::ecr();
    let data = ecr_token(&world).await;
    assert_eq!(data["proxyEndpoint"], world.at(""));
    let token = data["authorizationToken"].as_str().unwrap();
    let decoded = String::from_utf8(STANDARD.decode(token).unwrap()).unwrap();
    assert!(decoded.starts_with("AWS:"));
    assert!(decoded.len() > 1_800, "as long as ECR's");
    let authorization = format!("Basic {token}");
    let headers = [("authorization", authorization.as_str())];
    let answer = world.ask("GET", &world.at("/v2/"), &headers, "").await;
    assert_eq!(answer.status, 200);
    let call = world.last_call();
    assert_eq!(call.header("authorization"), Some("Basic present"));
}

#[tokio::test]
async fn ecr_tokens_end() {
    let world = World::ecr();
    let expired = "Your authorization token has expired. Reauthenticate and try again.";
    assert_eq!(world.registry("GET", "/v2/", "").await.status, 200);
    world.stand_in.expire_tokens();
    let answer = world.registry("GET", "/v2/", "").await;
    answer.is_denied(403, "DENIED");
    assert_eq!(answer.json()["errors"][0]["message"], expired);

    let world = World::new(Options {
        token_lifetime: Duration::ZERO,
        ..Options::default()
    });
    world
        .registry("GET", "/v2/", "")
        .await
        .is_denied(403, "DENIED");
}

#[tokio::test]
async fn ecr_tells_a_token_it_never_gave_from_an_old_one() {
    let world = World::ecr();
    let (_, password) = world.stand_in.credentials().unwrap();
    for authorization in [
        basic(("AWS", "guess".into())),
        basic(("root", password)),
        "Basic %%%".into(),
        "Bearer token".into(),
    ] {
        let headers = [("authorization", authorization.as_str())];
        let answer = world.ask("GET", &world.at("/v2/"), &headers, "").await;
        answer.is_denied(400, "DENIED");
    }
}

#[tokio::test]
async fn a_plain_registry_knows_its_user() {
    let world = with_login(Login::Basic);
    assert_eq!(world.registry("GET", "/v2/", "").await.status, 200);
    let wrong = basic(("stand-in", "guess".into()));
    for headers in [vec![], vec![("authorization", wrong.as_str())]] {
        let answer = world.ask("GET", &world.at("/v2/"), &headers, "").await;
        assert_eq!(answer.status, 401);
        assert!(
            answer
                .header("www-authenticate")
                .starts_with("Basic realm=")
        );
    }
}

#[tokio::test]
async fn a_realm_gives_tokens_for_what_a_caller_may_do() {
    let world = with_login(Login::Bearer);
    let challenge = world
        .ask("POST", &world.at("/v2/app/blobs/uploads/"), &[], "")
        .await;
    assert_eq!(
        challenge.header("www-authenticate"),
        format!(
            "Bearer realm=\"{}\",service=\"{}\",scope=\"repository:app:pull,push\"",
            world.at("/token"),
            world.stand_in.registry_host()
        )
    );
    let user = world
        .registry("GET", "/token?service=x&scope=y", "")
        .await
        .json();
    let anyone = world.ask("GET", &world.at("/token"), &[], "").await.json();
    let bearer = |token: &Value| format!("Bearer {}", token["token"].as_str().unwrap());
    for (token, method, path, status) in [
        (&user, "GET", "/v2/", 200),
        (&user, "POST", "/v2/app/blobs/uploads/", 202),
        (&anyone, "GET", "/v2/", 200),
        (&anyone, "POST", "/v2/app/blobs/uploads/", 401),
    ] {
        let authorization = bearer(token);
        let headers = [("authorization", authorization.as_str())];
        let answer = world.ask(method, &world.at(path), &headers, "").await;
        assert_eq!(answer.status, status, "{method} {path}");
    }
    world.stand_in.expire_tokens();
    let authorization = bearer(&user);
    let headers = [("authorization", authorization.as_str())];
    let answer = world.ask("GET", &world.at("/v2/"), &headers, "").await;
    assert!(
        answer
            .header("www-authenticate")
            .ends_with(",error=\"invalid_token\"")
    );
}

#[tokio::test]
async fn the_realm_refuses_a_wrong_password() {
    let world = with_login(Login::Bearer);
    let wrong = basic(("stand-in", "guess".into()));
    let headers = [("authorization", wrong.as_str())];
    let answer = world.ask("GET", &world.at("/token"), &headers, "").await;
    assert_eq!(answer.status, 401);
}
