use serde_json::{Value, json};

use super::{State, State::*, health, restarts};
use crate::{
    Kind, Object,
    recorded::{Recorded, deleted, object, owned, pod, running, with, young},
};

/// The first of some objects.
fn first(objects: &[Value]) -> Object {
    let kind = objects[0]["kind"].as_str().and_then(Kind::of_object).unwrap();
    Object::new(kind, objects[0].clone())
}

fn assert_health(objects: &[Value], state: State, detail: &str) {
    let health = health(&Recorded::new(objects).facts(), &first(objects)).unwrap();
    assert_eq!((health.state, health.detail.as_str()), (state, detail), "{objects:?}");
}

/// A pod that has run for an hour and is not ready.
fn unready(name: &str) -> Value {
    let mut pod = running(name);
    pod["status"]["conditions"][0]["status"] = "False".into();
    pod["status"]["containerStatuses"][0]["ready"] = false.into();
    pod
}

/// A pod whose readiness probe may take two hours.
fn slow(name: &str) -> Value {
    let mut pod = unready(name);
    pod["spec"]["containers"][0]["readinessProbe"] = json!({"initialDelaySeconds": 7200});
    pod
}

fn ended(name: &str, phase: &str) -> Value {
    pod(name, json!({"containers": [{"name": "app"}]}), json!({"phase": phase}))
}

/// A container's status of a state.
fn waiting(name: &str, reason: &str) -> Value {
    json!({"name": name, "ready": false, "restartCount": 1, "state": {"waiting": {"reason": reason}}})
}

#[test]
fn a_workload_is_as_well_as_its_ready_pods() {
    let daemons = |wanted: i64, ready: i64| {
        with("DaemonSet", "agent", json!({}), json!({"desiredNumberScheduled": wanted, "numberReady": ready}))
    };
    let deployment = |wanted: Value, ready: i64| {
        with("Deployment", "web", json!({"replicas": wanted}), json!({"readyReplicas": ready}))
    };
    for (workload, state, detail) in [
        (daemons(2, 2), Healthy, "2/2 ready"),
        (daemons(2, 1), Degraded, "1/2 ready"),
        (daemons(0, 0), Intended, "0/0 ready"),
        (deployment(json!(0), 0), Intended, "scaled to 0"),
        (deployment(json!(2), 0), Down, "0/2 ready"),
        (deployment(json!(2), 1), Degraded, "1/2 ready"),
        (deployment(json!(2), 3), Healthy, "3/2 ready"),
        (deployment(Value::Null, 0), Down, "0/1 ready"),
        (young(deployment(json!(2), 0)), Starting, "0/2 ready"),
        (young(deployment(json!(2), 1)), Starting, "1/2 ready"),
    ] {
        assert_health(&[workload], state, detail);
    }
}

#[test]
fn a_workload_whose_other_pods_all_may_still_pass_their_probes_is_starting() {
    let set =
        |wanted: i64| with("StatefulSet", "db", json!({"replicas": wanted}), json!({"readyReplicas": 1}));
    for (wanted, pods, state) in [
        (2, vec![running("db-0"), slow("db-1")], Starting),
        (3, vec![running("db-0"), slow("db-1")], Degraded),
        (2, vec![running("db-0"), unready("db-1")], Degraded),
        (2, vec![running("db-0"), slow("db-1"), unready("db-2")], Degraded),
        (2, vec![running("db-0"), slow("db-1"), ended("db-2", "Failed")], Starting),
        (2, vec![running("db-0"), slow("db-1"), deleted(unready("db-2"))], Starting),
    ] {
        let set = set(wanted);
        let pods = pods.into_iter().map(|pod| owned(pod, &set));
        let objects: Vec<Value> = std::iter::once(set.clone()).chain(pods).collect();
        assert_health(&objects, state, &format!("1/{wanted} ready"));
    }
}

#[test]
fn a_job_is_judged_by_its_conditions_and_then_by_its_pods() {
    let job = |spec: Value, status: Value| with("Job", "load", spec, status);
    let condition = |kind: &str, status: &str| json!({"failed": 1, "conditions": [{"type": kind, "status": status, "reason": "BackoffLimitExceeded"}]});
    for (job, state, detail) in [
        (job(json!({}), condition("Complete", "True")), Healthy, "complete"),
        (job(json!({}), condition("Failed", "True")), Down, "failed: BackoffLimitExceeded"),
        (job(json!({}), condition("Failed", "False")), Degraded, "0 active, 1 failed"),
        (job(json!({"suspend": true}), json!({"failed": 1})), Intended, "suspended"),
        (job(json!({}), json!({"active": 1})), Healthy, "1 active"),
        (job(json!({}), json!({"succeeded": 1})), Healthy, "0 active"),
        (job(json!({}), json!({})), Down, "no pod"),
        (young(job(json!({}), json!({}))), Starting, "no pod"),
    ] {
        assert_health(&[job], state, detail);
    }
    let job = job(json!({}), json!({}));
    assert_health(&[job.clone(), owned(running("load-x"), &job)], Healthy, "0 active");
}

#[test]
fn volumes_nodes_and_namespaces_are_as_well_as_their_phase_or_condition() {
    for (kind, phase, state) in [
        ("PersistentVolumeClaim", "Bound", Healthy),
        ("PersistentVolumeClaim", "Pending", Down),
        ("PersistentVolumeClaim", "Lost", Down),
        ("PersistentVolume", "Available", Healthy),
        ("PersistentVolume", "Released", Down),
        ("Namespace", "Active", Healthy),
        ("Namespace", "Terminating", Down),
    ] {
        assert_health(&[with(kind, "data", json!({}), json!({"phase": phase}))], state, phase);
    }
    for (ready, is_cordoned, state, detail) in [
        ("True", false, Healthy, "Ready"),
        ("True", true, Healthy, "Ready, cordoned"),
        ("Unknown", false, Down, "not Ready"),
    ] {
        let status = json!({"conditions": [{"type": "Ready", "status": ready}]});
        assert_health(&[with("Node", "n1", json!({"unschedulable": is_cordoned}), status)], state, detail);
    }
}

#[test]
fn a_claim_of_a_late_class_without_a_pod_that_waits_is_as_intended() {
    let cluster = |phase: &str, mode: &str, pods: &[Value]| {
        let claim =
            with("PersistentVolumeClaim", "data", json!({"storageClassName": "c"}), json!({"phase": phase}));
        let mut class = object("StorageClass", "c");
        class["volumeBindingMode"] = mode.into();
        let mut objects = vec![claim, class];
        objects.extend(pods.iter().cloned().map(|mut pod| {
            pod["spec"]["volumes"] = json!([{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}]);
            pod
        }));
        objects
    };
    let mut gated = ended("gated", "Pending");
    gated["spec"]["schedulingGates"] = json!([{"name": "g"}]);
    let over = [ended("done", "Succeeded"), ended("lost", "Failed"), gated];
    let late = "WaitForFirstConsumer";
    let words = "Pending: its class waits for a pod that uses it";
    for (objects, state, detail) in [
        (cluster("Pending", late, &[]), Intended, words),
        (cluster("Pending", late, &over), Intended, words),
        (cluster("Pending", late, &[ended("web", "Pending")]), Down, "Pending"),
        (cluster("Pending", "Immediate", &[]), Down, "Pending"),
        (cluster("Lost", late, &[]), Down, "Lost"),
    ] {
        assert_health(&objects, state, detail);
    }
    let unseen = Recorded::new(&cluster("Pending", late, &[])).deny(Kind::Pod).facts();
    let health = health(&unseen, &first(&cluster("Pending", late, &[]))).unwrap();
    assert_eq!(health.state, Down);
}

#[test]
fn a_service_is_as_well_as_the_pods_that_it_selects() {
    let service = |selector: Value| with("Service", "web", json!({"selector": selector}), json!({}));
    let labelled = |mut object: Value| {
        object["metadata"]["labels"] = json!({"app": "web"});
        object
    };
    let deployment = |replicas: i64| {
        let template = json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": []}});
        with("Deployment", "web", json!({"replicas": replicas, "template": template}), json!({}))
    };
    let (ready, other, slow) = (labelled(running("a")), labelled(unready("b")), labelled(slow("c")));
    let over = [labelled(ended("d", "Succeeded")), labelled(ended("e", "Failed"))];
    for (others, state, ready, all) in [
        (vec![ready.clone()], Healthy, 1, 1),
        (vec![ready.clone(), other.clone()], Degraded, 1, 2),
        (vec![ready, over[0].clone(), over[1].clone()], Healthy, 1, 1),
        (vec![other.clone()], Down, 0, 1),
        (vec![slow.clone()], Starting, 0, 1),
        (vec![slow, other.clone()], Down, 0, 2),
        (vec![], Down, 0, 0),
        (vec![deployment(0)], Intended, 0, 0),
        (vec![deployment(1)], Down, 0, 0),
        (vec![deployment(0), other], Down, 0, 1),
    ] {
        let mut objects = vec![service(json!({"app": "web"}))];
        objects.extend(others);
        assert_health(&objects, state, &format!("{ready} of {all} selected pods ready"));
    }
    assert_health(&[service(json!({}))], Healthy, "without a selector");
    let unseen = Recorded::new(&[]).deny(Kind::Pod).facts();
    assert_eq!(health(&unseen, &first(&[service(json!({"app": "web"}))])), None);
}

#[test]
fn a_pod_is_judged_by_its_phase_its_age_and_its_containers() {
    let of = |phase: &str, statuses: Value| {
        let containers = json!([{"name": "app"}, {"name": "proxy"}]);
        pod("web", json!({"containers": containers}), json!({"phase": phase, "containerStatuses": statuses}))
    };
    let ready = json!({"name": "proxy", "ready": true, "restartCount": 0, "state": {"running": {}}});
    let mut gated = of("Pending", json!([]));
    gated["spec"]["schedulingGates"] = json!([{"name": "g"}]);
    let mut evicted = of("Failed", json!([waiting("app", "ContainerCreating")]));
    evicted["status"]["reason"] = "Evicted".into();
    let mut initialized = of("Pending", json!([waiting("app", "CrashLoopBackOff")]));
    initialized["status"]["initContainerStatuses"] =
        json!([{"name": "init", "state": {"terminated": {"reason": "Completed", "exitCode": 0}}}]);
    for (pod, state, detail) in [
        (of("Succeeded", json!([])), Intended, "Succeeded, 0/2 ready"),
        (gated, Intended, "Pending, 0/2 ready"),
        (evicted, Down, "Evicted, 0/2 ready"),
        (
            of("Running", json!([waiting("app", "CrashLoopBackOff"), ready])),
            Degraded,
            "CrashLoopBackOff, 1/2 ready",
        ),
        (of("Running", json!([waiting("app", "CrashLoopBackOff")])), Down, "CrashLoopBackOff, 0/2 ready"),
        (of("Pending", json!([waiting("app", "ContainerCreating")])), Down, "ContainerCreating, 0/2 ready"),
        (of("Pending", json!([waiting("app", "PodInitializing")])), Down, "Pending, 0/2 ready"),
        (initialized, Down, "CrashLoopBackOff, 0/2 ready"),
        (
            young(of("Pending", json!([waiting("app", "ContainerCreating")]))),
            Starting,
            "ContainerCreating, 0/2 ready",
        ),
        (young(of("Running", json!([ready]))), Starting, "Running, 1/2 ready"),
    ] {
        assert_health(&[pod], state, detail);
    }
    assert_health(&[running("web")], Healthy, "Running, 1/1 ready");
    assert_health(&[slow("web")], Starting, "Running, 0/1 ready");
    for word in ["ErrImagePull", "ImagePullBackOff", "InvalidImageName", "OOMKilled"] {
        assert_health(
            &[young(of("Pending", json!([waiting("app", word)])))],
            Down,
            &format!("{word}, 0/2 ready"),
        );
    }
}

#[test]
fn restarts_of_all_containers_are_summed() {
    let status = |count: i64| json!({"restartCount": count});
    let both = json!({"initContainerStatuses": [status(2)], "containerStatuses": [status(3), status(4)]});
    assert_eq!(restarts(&first(&[pod("web", json!({}), both)])), 9);
}
