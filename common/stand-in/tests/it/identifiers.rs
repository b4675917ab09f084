//! Keys and how they are named: ids, ARNs, aliases; and the operations that make, switch and end them.

use countersign_stand_in::{DEFAULT_ALIAS, KeySpec, KeyState, OTHER_ACCOUNT, Sharing};
use serde_json::{Value, json};

use crate::world::World;

async fn new_key(world: &World, spec: &str, usage: &str) -> Value {
    let request = json!({"KeySpec": spec, "KeyUsage": usage, "Description": "for a test"});
    world.kms("CreateKey", request).await["KeyMetadata"].clone()
}

async fn describe(world: &World, id: &str) -> Value {
    world.kms("DescribeKey", json!({"KeyId": id})).await["KeyMetadata"].clone()
}

#[tokio::test]
async fn a_key_answers_to_its_id_its_arn_its_alias_and_the_alias_arn() {
    let world = World::ecr();
    let metadata = describe(&world, DEFAULT_ALIAS).await;
    let id = metadata["KeyId"].as_str().unwrap();
    let alias_arn = format!("arn:aws:kms:us-east-1:000000000000:{DEFAULT_ALIAS}");
    for name in [id, metadata["Arn"].as_str().unwrap(), &alias_arn] {
        assert_eq!(describe(&world, name).await, metadata, "{name}");
    }
}

#[tokio::test]
async fn what_names_no_key_here_is_not_found() {
    let world = World::ecr();
    let metadata = describe(&world, DEFAULT_ALIAS).await;
    let id = metadata["KeyId"].as_str().unwrap();
    for name in [
        "alias/other",
        "12345678-1234-1234-1234-123456789012",
        &format!("arn:aws:kms:eu-west-1:000000000000:key/{id}"),
    ] {
        world
            .kms_refuses("DescribeKey", json!({"KeyId": name}), "NotFoundException")
            .await;
    }
    for name in [
        "arn:aws:iam::000000000000:role/x",
        "arn:aws:kms:us-east-1",
        "arn:aws:kms:us-east-1:000000000000:thing/x",
    ] {
        world
            .kms_refuses("DescribeKey", json!({"KeyId": name}), "InvalidArnException")
            .await;
    }
}

#[tokio::test]
async fn a_multi_region_key_is_one_key_with_an_arn_in_each_of_its_regions() {
    let world = World::ecr();
    let request =
        json!({"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY", "MultiRegion": true});
    let (_, created) = world.kms_in("us-east-1", "CreateKey", request).await;
    let id = created["KeyMetadata"]["KeyId"].as_str().unwrap();
    assert!(id.starts_with("mrk-") && id.len() == 36, "{id}");
    let key = json!({ "KeyId": id });
    let (error, _) = world.kms_in("eu-west-1", "GetPublicKey", key.clone()).await;
    assert_eq!(error, "NotFoundException");

    let replicate = |region: &str| json!({"KeyId": id, "ReplicaRegion": region});
    let (_, replica) = world
        .kms_in("us-east-1", "ReplicateKey", replicate("eu-west-1"))
        .await;
    let (here, there) = (
        format!("arn:aws:kms:us-east-1:000000000000:key/{id}"),
        format!("arn:aws:kms:eu-west-1:000000000000:key/{id}"),
    );
    let configuration = json!({
        "MultiRegionKeyType": "REPLICA",
        "PrimaryKey": {"Arn": here, "Region": "us-east-1"},
        "ReplicaKeys": [{"Arn": there, "Region": "eu-west-1"}],
    });
    let metadata = &replica["ReplicaKeyMetadata"];
    assert_eq!(metadata["MultiRegionConfiguration"], configuration);
    assert_eq!(
        (&metadata["Arn"], &metadata["MultiRegion"]),
        (&json!(there), &json!(true))
    );

    let (_, primary) = world.kms_in("us-east-1", "GetPublicKey", key.clone()).await;
    let (_, replica) = world.kms_in("eu-west-1", "GetPublicKey", key.clone()).await;
    assert_eq!(
        (&primary["KeyId"], &replica["KeyId"]),
        (&json!(here), &json!(there))
    );
    assert_eq!(primary["PublicKey"], replica["PublicKey"]);

    // Each has a state of its own.
    world
        .stand_in
        .set_key_state(&here, KeyState::Disabled)
        .unwrap();
    let (error, _) = world.kms_in("us-east-1", "GetPublicKey", key.clone()).await;
    assert_eq!(error, "DisabledException");
    let (error, _) = world.kms_in("eu-west-1", "GetPublicKey", key).await;
    assert_eq!(error, "");

    for (region, target, refused) in [
        ("us-east-1", "eu-west-1", "AlreadyExistsException"),
        ("us-east-1", "eu/west", "ValidationException"),
        ("eu-west-1", "us-west-2", "UnsupportedOperationException"),
    ] {
        let (error, _) = world
            .kms_in(region, "ReplicateKey", replicate(target))
            .await;
        assert_eq!(error, refused, "{region} {target}");
    }
    let request = json!({"KeyId": DEFAULT_ALIAS, "ReplicaRegion": "eu-west-1"});
    let (error, _) = world.kms_in("us-east-1", "ReplicateKey", request).await;
    assert_eq!(error, "UnsupportedOperationException");
}

#[tokio::test]
async fn an_alias_is_one_regions() {
    let world = World::ecr();
    let create = |alias: &str| {
        let spec = KeySpec::ECC_NIST_P256;
        world
            .stand_in
            .create_multi_region_key(spec, alias, &["eu-west-1"])
            .unwrap()
    };
    let key = create("alias/release");
    let there = key.arn.replace("us-east-1", "eu-west-1");
    for (region, arn) in [("us-east-1", &key.arn), ("eu-west-1", &there)] {
        let request = json!({"KeyId": "alias/release"});
        let (_, found) = world.kms_in(region, "DescribeKey", request).await;
        assert_eq!(found["KeyMetadata"]["Arn"], json!(arn));
    }
    let (_, listed) = world.kms_in("eu-west-1", "ListAliases", json!({})).await;
    assert_eq!(listed["Aliases"].as_array().unwrap().len(), 1, "{listed}");
    assert_eq!(
        listed["Aliases"][0]["AliasArn"],
        "arn:aws:kms:eu-west-1:000000000000:alias/release"
    );
    let request = json!({"KeyId": DEFAULT_ALIAS});
    let (error, _) = world.kms_in("eu-west-1", "DescribeKey", request).await;
    assert_eq!(error, "NotFoundException");
}

#[tokio::test]
async fn a_key_of_another_account_is_used_by_its_arn_alone_and_if_it_is_shared() {
    let world = World::ecr();
    let create = |sharing| {
        let spec = KeySpec::ECC_NIST_P256;
        world
            .stand_in
            .create_key_elsewhere(spec, sharing)
            .unwrap()
            .arn
    };
    let (granted, denied) = (create(Sharing::Granted), create(Sharing::Denied));
    assert!(granted.contains(OTHER_ACCOUNT));
    assert_eq!(
        describe(&world, &granted).await["AWSAccountId"],
        OTHER_ACCOUNT
    );
    let (_, id) = granted.rsplit_once('/').unwrap();
    // To a stranger what is not there and what is not shared look alike.
    let absent = denied.replace(OTHER_ACCOUNT, "111122223333");
    for (name, operation, error) in [
        (id, "DescribeKey", "NotFoundException"),
        (&denied, "DescribeKey", "AccessDeniedException"),
        (&denied, "GetPublicKey", "AccessDeniedException"),
        (&absent, "GetPublicKey", "AccessDeniedException"),
        (&granted, "DisableKey", "AccessDeniedException"),
    ] {
        let request = json!({"KeyId": name});
        world.kms_refuses(operation, request, error).await;
    }
}

#[tokio::test]
async fn a_created_key_is_described_as_it_was_asked_for() {
    let world = World::ecr();
    let metadata = new_key(&world, "ECC_NIST_P384", "SIGN_VERIFY").await;
    for (member, value) in [
        ("AWSAccountId", json!("000000000000")),
        ("CustomerMasterKeySpec", json!("ECC_NIST_P384")),
        ("Description", json!("for a test")),
        ("Enabled", json!(true)),
        ("KeyManager", json!("CUSTOMER")),
        ("KeySpec", json!("ECC_NIST_P384")),
        ("KeyState", json!("Enabled")),
        ("KeyUsage", json!("SIGN_VERIFY")),
        ("MultiRegion", json!(false)),
        ("Origin", json!("AWS_KMS")),
        ("SigningAlgorithms", json!(["ECDSA_SHA_384"])),
    ] {
        assert_eq!(metadata[member], value, "{member}");
    }
    assert!(metadata["CreationDate"].is_number());
    assert_eq!(
        describe(&world, metadata["KeyId"].as_str().unwrap()).await,
        metadata
    );
}

#[tokio::test]
async fn a_spec_must_exist_and_fit_its_usage() {
    let world = World::ecr();
    for (spec, usage) in [
        ("ECC_NIST_P256", "ENCRYPT_DECRYPT"),
        ("RSA_2048", "KEY_AGREEMENT"),
        ("RSA_1024", "SIGN_VERIFY"),
        ("RSA_2048", "SIGN"),
    ] {
        let request = json!({"KeySpec": spec, "KeyUsage": usage});
        world
            .kms_refuses("CreateKey", request, "ValidationException")
            .await;
    }
    // Without a usage a key is for encryption, which a curve is not.
    let request = json!({"KeySpec": "ECC_NIST_P256"});
    world
        .kms_refuses("CreateKey", request, "ValidationException")
        .await;
    let metadata = world.kms("CreateKey", json!({})).await["KeyMetadata"].clone();
    assert_eq!(metadata["KeySpec"], "SYMMETRIC_DEFAULT");
}

#[tokio::test]
async fn a_key_is_switched_off_and_on() {
    let world = World::ecr();
    let key = json!({"KeyId": DEFAULT_ALIAS});
    world.kms("DisableKey", key.clone()).await;
    assert_eq!(
        describe(&world, DEFAULT_ALIAS).await["KeyState"],
        "Disabled"
    );
    world
        .kms_refuses("GetPublicKey", key.clone(), "DisabledException")
        .await;
    world.kms("EnableKey", key.clone()).await;
    world.kms("GetPublicKey", key).await;
}

#[tokio::test]
async fn a_deletion_is_scheduled_and_cancelled() {
    let world = World::ecr();
    let key = json!({"KeyId": DEFAULT_ALIAS});
    world
        .kms_refuses("CancelKeyDeletion", key.clone(), "KMSInvalidStateException")
        .await;
    for days in [6, 31] {
        let request = json!({"KeyId": DEFAULT_ALIAS, "PendingWindowInDays": days});
        world
            .kms_refuses("ScheduleKeyDeletion", request, "ValidationException")
            .await;
    }
    let request = json!({"KeyId": DEFAULT_ALIAS, "PendingWindowInDays": 7});
    let scheduled = world.kms("ScheduleKeyDeletion", request).await;
    assert_eq!(scheduled["KeyState"], "PendingDeletion");
    let metadata = describe(&world, DEFAULT_ALIAS).await;
    let wait =
        metadata["DeletionDate"].as_u64().unwrap() - metadata["CreationDate"].as_u64().unwrap();
    assert_eq!(wait / 86_400, 7);
    for operation in ["EnableKey", "GetPublicKey", "ScheduleKeyDeletion"] {
        world
            .kms_refuses(operation, key.clone(), "KMSInvalidStateException")
            .await;
    }
    world.kms("CancelKeyDeletion", key.clone()).await;
    assert_eq!(
        describe(&world, DEFAULT_ALIAS).await["KeyState"],
        "Disabled"
    );
}

#[tokio::test]
async fn an_alias_is_made_once_and_can_be_moved() {
    let world = World::ecr();
    let first = new_key(&world, "ECC_NIST_P256", "SIGN_VERIFY").await;
    let second = new_key(&world, "ECC_NIST_P256", "SIGN_VERIFY").await;
    let point = |key: &Value| json!({"AliasName": "alias/release", "TargetKeyId": key["KeyId"]});
    world
        .kms_refuses("UpdateAlias", point(&first), "NotFoundException")
        .await;
    world.kms("CreateAlias", point(&first)).await;
    world
        .kms_refuses("CreateAlias", point(&second), "AlreadyExistsException")
        .await;
    assert_eq!(describe(&world, "alias/release").await["Arn"], first["Arn"]);
    world.kms("UpdateAlias", point(&second)).await;
    assert_eq!(
        describe(&world, "alias/release").await["Arn"],
        second["Arn"]
    );
    world
        .stand_in
        .move_alias("alias/release", first["KeyId"].as_str().unwrap())
        .unwrap();
    assert_eq!(describe(&world, "alias/release").await["Arn"], first["Arn"]);
}

#[tokio::test]
async fn an_alias_has_a_lawful_name() {
    let world = World::ecr();
    for (name, error) in [
        ("release", "ValidationException"),
        ("alias/", "InvalidAliasNameException"),
        ("alias/a b", "InvalidAliasNameException"),
        ("alias/aws/kms", "NotAuthorizedException"),
    ] {
        let request = json!({"AliasName": name, "TargetKeyId": DEFAULT_ALIAS});
        world.kms_refuses("CreateAlias", request, error).await;
    }
    let request = json!({"AliasName": "alias/lost", "TargetKeyId": "no-such-key"});
    world
        .kms_refuses("CreateAlias", request, "NotFoundException")
        .await;
}

#[tokio::test]
async fn aliases_are_listed_in_pages_and_by_key() {
    let world = World::ecr();
    let key = new_key(&world, "ECC_NIST_P256", "SIGN_VERIFY").await;
    for name in ["alias/a", "alias/b"] {
        let request = json!({"AliasName": name, "TargetKeyId": key["Arn"]});
        world.kms("CreateAlias", request).await;
    }
    let names = |page: &Value| -> Vec<String> {
        let aliases = page["Aliases"].as_array().unwrap().iter();
        aliases
            .map(|alias| alias["AliasName"].as_str().unwrap().into())
            .collect()
    };
    let page = world.kms("ListAliases", json!({"Limit": 2})).await;
    assert_eq!(
        (names(&page), &page["Truncated"]),
        (vec!["alias/a".into(), "alias/b".into()], &json!(true))
    );
    let page = world
        .kms(
            "ListAliases",
            json!({"Limit": 2, "Marker": page["NextMarker"]}),
        )
        .await;
    assert_eq!(
        (names(&page), &page["Truncated"]),
        (vec![DEFAULT_ALIAS.into()], &json!(false))
    );
    let page = world
        .kms("ListAliases", json!({"KeyId": key["KeyId"]}))
        .await;
    assert_eq!(names(&page), ["alias/a", "alias/b"]);
}

#[tokio::test]
async fn what_is_no_call_of_an_operation_is_refused() {
    let world = World::ecr();
    world
        .kms_refuses("Encrypt", json!({}), "UnknownOperationException")
        .await;
    world
        .kms_refuses("Sign", json!({"KeyId": 1}), "SerializationException")
        .await;
    let answer = world.aws("", json!({})).await;
    assert_eq!(answer.json()["__type"], "UnknownOperationException");
    let endpoint = world.stand_in.aws_endpoint().as_str();
    let answer = world
        .ask("POST", endpoint, &[], vec![b' '; (1 << 20) + 1])
        .await;
    assert_eq!(answer.status, 413);
}
