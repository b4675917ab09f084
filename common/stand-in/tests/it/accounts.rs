//! What a pipeline asks about its account: who it is, and how its repositories are set up.

use serde_json::json;

use crate::world::World;

const FORM: (&str, &str) = (
    "content-type",
    "application/x-www-form-urlencoded; charset=utf-8",
);

#[tokio::test]
async fn the_caller_is_told_its_name_in_xml() {
    let world = World::ecr();
    let endpoint = world.stand_in.aws_endpoint().to_string();
    let asked = "Action=GetCallerIdentity&Version=2011-06-15";
    let answer = world.ask("POST", &endpoint, &[FORM], asked).await;
    assert_eq!(answer.status, 200);
    assert!(
        answer
            .text()
            .contains("<Arn>arn:aws:iam::000000000000:user/stand-in</Arn>")
    );
    let other = world
        .ask("POST", &endpoint, &[FORM], "Action=GetSessionToken")
        .await;
    assert_eq!(other.status, 400);
    assert!(other.text().contains("<Code>InvalidAction</Code>"));
    let lines: Vec<_> = world.stand_in.calls().into_iter().map(|c| c.line).collect();
    assert_eq!(
        lines,
        ["GetCallerIdentity", "GetSessionToken"]
            .map(|operation| format!("AWSSecurityTokenServiceV20110615.{operation}"))
    );
}

#[tokio::test]
async fn a_lifecycle_policy_is_kept_shown_and_taken_away() {
    let world = World::ecr();
    let call = async |operation: &str, text: Option<&str>| {
        let mut parameters = json!({"repositoryName": "shop/api"});
        if let Some(text) = text {
            parameters["lifecyclePolicyText"] = text.into();
        }
        let target = format!("AmazonEC2ContainerRegistry_V20150921.{operation}");
        world.aws(&target, parameters).await
    };
    let absent = call("GetLifecyclePolicy", None).await.json();
    assert_eq!(absent["__type"], "RepositoryNotFoundException");
    call("CreateRepository", None).await;
    let absent = call("GetLifecyclePolicy", None).await.json();
    assert_eq!(absent["__type"], "LifecyclePolicyNotFoundException");
    let refused = call("PutLifecyclePolicy", Some("no rules")).await.json();
    assert_eq!(refused["__type"], "InvalidParameterException");
    let text = r#"{"rules":[]}"#;
    call("PutLifecyclePolicy", Some(text)).await;
    let shown = call("GetLifecyclePolicy", None).await.json();
    assert_eq!(shown["lifecyclePolicyText"], text);
    call("DeleteLifecyclePolicy", None).await;
    let absent = call("GetLifecyclePolicy", None).await.json();
    assert_eq!(absent["__type"], "LifecyclePolicyNotFoundException");
}
