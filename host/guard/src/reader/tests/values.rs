//! Values that the operator masks.

use super::*;
use crate::{EnvironmentMasking, MaskedPaths, MaskedValues};

#[tokio::test]
async fn values_that_the_operator_masks_are_masked_in_every_read_and_counted() {
    fn with_values(path: &str) -> Option<Vec<u8>> {
        let env = json!([{"name": "TOKEN", "value": "hunter2"}, {"name": "HOME", "value": "/"}]);
        let pod = json!({"kind": "Pod", "metadata": {"name": "web", "namespace": "shop"},
            "spec": {"containers": [{"name": "app", "args": ["hunter2"], "env": env}]}});
        let body = match path {
            "/api/v1/namespaces/shop/pods/web" => pod,
            "/api/v1/namespaces/shop/pods" => json!({"kind": "PodList", "metadata": {}, "items": [pod]}),
            path => return answer(path),
        };
        Some(body.to_string().into_bytes())
    }
    let (cluster, _) = cluster(with_values).await;
    let paths = MaskedPaths { kinds: vec!["po".into()], paths: vec!["spec.containers[].args".into()] };
    let masked = MaskedValues::parse(vec![paths], EnvironmentMasking::Mask).unwrap();
    let guard = Guard::new(Arc::clone(&cluster), Arc::default()).with_masked_values(Arc::new(masked));
    let deadline = Instant::now() + Duration::from_secs(20);
    let memory = Arc::new(MemoryTotal::new(64 << 20).share(Account::of(&1)));
    let limits = ReadLimits { deadline, reads: 9, bytes: 4 << 20, log_bytes: 4 << 20, answer: ANSWER };
    let credential = Credential::Token(Token::parse("abc").unwrap());
    let grant = Arc::new(Grant::new(every_rule()));
    let reader = guard.reader(credential, Ceiling::default(), grant, limits, memory);
    let query = GetQuery { namespace: Some("shop".into()), name: "web".into(), view: View::Whole };
    let one = reader.get_object(&pods(), &query).await.unwrap();
    let all = reader.list_objects(&pods(), &list_query()).await.unwrap().items;
    for shown in [&one, &all] {
        assert!(!shown.contains("hunter2") && shown.contains(r#""value":"/""#), "{shown}");
    }
    let summary = reader.summary();
    assert_eq!((summary.masked_values, summary.masked), (4, 0));
}
