//! The questions, the fact that an answer must hold, and the calls on both sides: theirs are the shortest way there is.

use serde_json::Value;

use super::{arguments, fill::SHOP};

pub(super) type Calls = Vec<(&'static str, Value)>;
type Pairs = &'static [(&'static str, &'static str)];

/// One question. Ways to say a fact are separated by `|`.
pub(super) struct Question {
    pub(super) number: u32,
    pub(super) asked: &'static str,
    pub(super) facts: &'static [&'static str],
    ours: &'static [(&'static str, Pairs)],
    theirs: &'static [(&'static str, Pairs)],
}

impl Question {
    pub(super) fn ours(&self) -> Calls {
        self.ours.iter().map(|(tool, pairs)| (*tool, arguments(pairs))).collect()
    }

    /// The images of thirty pods take thirty calls: their list shows none.
    pub(super) fn theirs(&self) -> Calls {
        let mut calls: Calls = self.theirs.iter().map(|(tool, pairs)| (*tool, arguments(pairs))).collect();
        if self.number == 4 {
            let pods =
                SHOP.iter().map(|pod| ("pods_get", arguments(&[("name", pod), ("namespace", "shop")])));
            calls.extend(pods);
        }
        calls
    }
}

const CART: Pairs = &[("name", "cart"), ("namespace", "shop")];
const WEB: Pairs =
    &[("apiVersion", "apps/v1"), ("kind", "Deployment"), ("name", "web"), ("namespace", "shop")];
const OUR_WEB: Pairs = &[("namespace", "shop"), ("fieldSelector", "metadata.name=web")];

pub(super) const QUESTIONS: [Question; 20] = [
    Question {
        number: 1,
        asked: "Which namespaces are there?",
        facts: &["shop"],
        ours: &[("namespaces_list", &[("output", "names")])],
        theirs: &[("namespaces_list", &[])],
    },
    Question {
        number: 2,
        asked: "How many pods are there in all?",
        facts: &["2030 pods|app-39-01999"],
        ours: &[("pods_list", &[("output", "count")])],
        theirs: &[("pods_list", &[])],
    },
    Question {
        number: 3,
        asked: "Which pods are not well, anywhere?",
        facts: &["pay ", "CrashLoopBackOff"],
        ours: &[("pods_list", &[("limit", "20")])],
        theirs: &[("pods_list", &[])],
    },
    Question {
        number: 4,
        asked: "Which images do the pods of shop run?",
        facts: &["shop/cart:2.0.1", "shop/pay:4.4.0", "shop/mail:1.0.9"],
        ours: &[(
            "pods_list_in_namespace",
            &[("namespace", "shop"), ("output", "count"), ("fields", "spec.containers[].image")],
        )],
        theirs: &[("pods_list_in_namespace", &[("namespace", "shop")])],
    },
    Question {
        number: 5,
        asked: "Which image does deployment web run, and how many are ready?",
        facts: &["shop/web:1.9.0", "1/3|readyReplicas: 1"],
        ours: &[("deployments_list", OUR_WEB)],
        theirs: &[("resources_get", WEB)],
    },
    Question {
        number: 6,
        asked: "Why did pod cart last stop?",
        facts: &["OOMKilled", "137"],
        ours: &[(
            "pods_get",
            &[("name", "cart"), ("namespace", "shop"), ("fields", "status.containerStatuses[].lastState")],
        )],
        theirs: &[("pods_get", CART)],
    },
    Question {
        number: 7,
        asked: "What did pay say before it crashed?",
        facts: &["panic: ledger is closed"],
        ours: &[(
            "pods_log",
            &[("name", "pay"), ("namespace", "shop"), ("previous", "true"), ("tail", "20")],
        )],
        theirs: &[("pods_log", &[("name", "pay"), ("namespace", "shop"), ("previous", "true")])],
    },
    Question {
        number: 8,
        asked: "Where in the last 2,000 lines of api is order 777-X?",
        facts: &["order 777-X"],
        ours: &[("pods_log", &[("name", "api"), ("namespace", "shop"), ("tail", "2000"), ("grep", "777-X")])],
        theirs: &[("pods_log", &[("name", "api"), ("namespace", "shop"), ("tail", "2000")])],
    },
    Question {
        number: 9,
        asked: "What warnings were there in shop?",
        facts: &["3 Insufficient memory"],
        ours: &[("events_list", &[("namespace", "shop"), ("fieldSelector", "type=Warning")])],
        theirs: &[("events_list", &[("namespace", "shop"), ("fieldSelector", "type=Warning")])],
    },
    Question {
        number: 10,
        asked: "What happened to pod mail?",
        facts: &["MountVolume.SetUp failed"],
        ours: &[("events_list", &[("namespace", "shop"), ("fieldSelector", "involvedObject.name=mail")])],
        theirs: &[("events_list", &[("namespace", "shop"), ("fieldSelector", "involvedObject.name=mail")])],
    },
    Question {
        number: 11,
        asked: "Which node uses the most memory?",
        facts: &["load-3", "12288Mi"],
        ours: &[("nodes_top", &[])],
        theirs: &[("nodes_top", &[])],
    },
    Question {
        number: 12,
        asked: "Which pod of shop uses the most CPU?",
        facts: &["search", "900m"],
        ours: &[("pods_top", &[("namespace", "shop")])],
        theirs: &[("pods_top", &[("namespace", "shop")])],
    },
    Question {
        number: 13,
        asked: "Does service checkout reach any pod?",
        facts: &["no ready endpoint|\"ready\":false|ready: false"],
        ours: &[("resources_describe", &[("kind", "svc"), ("name", "checkout"), ("namespace", "shop")])],
        theirs: &[
            (
                "resources_get",
                &[("apiVersion", "v1"), ("kind", "Service"), ("name", "checkout"), ("namespace", "shop")],
            ),
            (
                "resources_list",
                &[("apiVersion", "discovery.k8s.io/v1"), ("kind", "EndpointSlice"), ("namespace", "shop")],
            ),
        ],
    },
    Question {
        number: 14,
        asked: "Which keys has ConfigMap app-cfg?",
        facts: &["banner.html", "log.level", "routes.json"],
        ours: &[("resources_describe", &[("kind", "cm"), ("name", "app-cfg"), ("namespace", "shop")])],
        theirs: &[(
            "resources_get",
            &[("apiVersion", "v1"), ("kind", "ConfigMap"), ("name", "app-cfg"), ("namespace", "shop")],
        )],
    },
    Question {
        number: 15,
        asked: "Has Secret db a key password?",
        facts: &["password"],
        ours: &[("resources_describe", &[("kind", "secret"), ("name", "db"), ("namespace", "shop")])],
        theirs: &[(
            "resources_get",
            &[("apiVersion", "v1"), ("kind", "Secret"), ("name", "db"), ("namespace", "shop")],
        )],
    },
    Question {
        number: 16,
        asked: "Which pods run on node-3?",
        facts: &["thumbs"],
        ours: &[("pods_list", &[("fieldSelector", "spec.nodeName=node-3"), ("output", "names")])],
        theirs: &[("pods_list", &[("fieldSelector", "spec.nodeName=node-3")])],
    },
    Question {
        number: 17,
        asked: "Which deployments anywhere are not complete?",
        facts: &["web", "stock", "mailer"],
        ours: &[("deployments_list", &[("limit", "10")])],
        theirs: &[("resources_list", &[("apiVersion", "apps/v1"), ("kind", "Deployment")])],
    },
    Question {
        number: 18,
        asked: "Which kinds does group example.com have?",
        facts: &["Widget|widgets", "Gadget|gadgets", "Sprocket|sprockets"],
        ours: &[("api_resources_list", &[("group", "example.com")])],
        theirs: &[(
            "resources_list",
            &[("apiVersion", "apiextensions.k8s.io/v1"), ("kind", "CustomResourceDefinition")],
        )],
    },
    Question {
        number: 19,
        asked: "Give me the labels of pod cart.",
        facts: &["app", "orders-team"],
        ours: &[("pods_get", &[("name", "cart"), ("namespace", "shop"), ("fields", "metadata.labels")])],
        theirs: &[("pods_get", CART)],
    },
    Question {
        number: 20,
        asked: "Is the last rollout of web stuck, and why?",
        facts: &["ProgressDeadlineExceeded"],
        ours: &[("deployments_list", OUR_WEB)],
        theirs: &[("resources_get", WEB)],
    },
];
