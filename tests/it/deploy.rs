//! The deployment files, held to the binary: no engine runs here, so every path, port, probe and command line in them is
//! compared with what the settings, the command line and the health endpoints really are.

use std::{collections::BTreeSet, fs, path::Path, process::Command, sync::Arc};

use clap::Parser;
use serde_json::Value as Json;
use stepward::{
    cli::Arguments,
    settings::{self, Presence, Settings},
};

/// Where the files put the settings, in every deployment.
const SETTINGS: &str = "/etc/stepward/stepward.yaml";
const STATE: &str = "/var/lib/stepward";
const BINARY: &str = "/usr/bin/stepward";

fn text(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(name)).unwrap()
}

/// The documents of a YAML file.
fn documents(name: &str) -> Vec<Json> {
    let parse = |text: &str| serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{name}: {error}"));
    text(name).split("\n---\n").map(parse).collect()
}

fn settings_at(name: &str, text: &str) -> Settings {
    let folder = Path::new(SETTINGS).parent().unwrap();
    match settings::read(&Arc::from(name), text, folder, Presence::Advised) {
        Ok(loaded) => loaded.settings,
        Err(rejected) => panic!("{name}: {:#?}", rejected.found),
    }
}

fn takes(words: &[&str]) {
    if let Err(error) = Arguments::try_parse_from(words) {
        panic!("{words:?}: {error}");
    }
}

fn strings(list: &Json) -> Vec<&str> {
    list.as_array().unwrap_or_else(|| panic!("{list} is no list")).iter().map(|it| it.as_str().unwrap()).collect()
}

/// Every value under a key, wherever it is.
fn all<'a>(tree: &'a Json, key: &str) -> Vec<&'a Json> {
    match tree {
        Json::Object(fields) => {
            let own = fields.get(key).into_iter();
            own.chain(fields.values().flat_map(|inner| all(inner, key))).collect()
        }
        Json::Array(items) => items.iter().flat_map(|inner| all(inner, key)).collect(),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => Vec::new(),
    }
}

fn ports(settings: &Settings) -> BTreeSet<u64> {
    let addresses = settings.listen.iter().map(|it| it.address).chain(settings.health);
    addresses.map(|it| u64::from(it.port())).collect()
}

/// What must hold of the settings of every deployment in a container.
fn container(name: &str, settings: &Settings) {
    assert_eq!(settings.policies, Path::new("/etc/stepward/policies"), "{name}");
    assert_eq!(settings.state.path.as_deref(), Some(Path::new(STATE)), "{name}: state is on the volume");
    assert_eq!(settings.state.keys.as_deref(), Some(&*Path::new(STATE).join("keys.yaml")), "{name}");
    assert!(settings.admin.is_some_and(|it| it.ip().is_loopback()), "{name}: the admin address is not for the network");
    assert!(settings.health.is_some_and(|it| it.ip().is_unspecified()), "{name}: probes come from outside");
}

#[test]
fn settings_of_every_deployment_load_and_fit_the_mounts() {
    container("stepward.yaml", &settings_at("stepward.yaml", &text("stepward.yaml")));
    for name in ["kubernetes/edge.yaml", "kubernetes/sidecar.yaml"] {
        let documents = documents(name);
        let inner: Vec<_> = documents.iter().flat_map(|it| all(it, "stepward.yaml")).collect();
        assert_eq!(inner.len(), 1, "{name} holds its settings");
        container(name, &settings_at(name, inner[0].as_str().unwrap()));
    }
}

#[test]
fn the_image_is_not_root_and_runs_what_the_binary_takes() {
    let text = text("Containerfile");
    let instructions: Vec<(&str, &str)> =
        text.lines().filter(|it| !it.starts_with('#')).filter_map(|it| it.split_once(' ')).collect();
    let last = instructions.iter().rposition(|(word, _)| *word == "FROM").unwrap();
    let (build, image) = instructions.split_at(last);
    assert!(image[0].1.contains("distroless") && image[0].1.ends_with(":nonroot"), "{:?}", image[0]);
    assert!(build.iter().any(|(word, rest)| *word == "RUN" && rest.contains("--locked")), "the lock file counts");
    assert!(!image.iter().any(|(word, _)| *word == "RUN"), "there is no shell in a distroless image");

    let one = |name: &str| image.iter().find(|(word, _)| *word == name).unwrap_or_else(|| panic!("no {name}")).1;
    assert!(!["root", "0"].contains(&one("USER")), "not root");
    assert!(
        image.iter().any(|(word, rest)| *word == "COPY" && rest.ends_with(BINARY)),
        "the binary is where it is run"
    );
    assert!(
        image.iter().any(|(word, rest)| *word == "COPY" && rest.contains("--chown=") && rest.ends_with(STATE)),
        "a new volume takes its owner from the image"
    );
    let exec = |name: &str| {
        serde_json::from_str::<Vec<String>>(one(name)).unwrap_or_else(|_| panic!("{name} is a shell form"))
    };
    let words = [exec("ENTRYPOINT"), exec("CMD")].concat();
    assert_eq!(words[0], BINARY);
    takes(&words.iter().map(String::as_str).collect::<Vec<_>>());

    let exposed: BTreeSet<u64> = one("EXPOSE").split(' ').map(|port| port.parse().unwrap()).collect();
    let settings = settings_at("stepward.yaml", &self::text("stepward.yaml"));
    assert!(exposed.is_superset(&ports(&settings)), "{exposed:?}");
}

#[test]
fn the_compose_file_fits_the_settings() {
    let compose = &documents("compose.yaml")[0];
    let stepward = &compose["services"]["stepward"];
    takes(&[&["stepward"][..], &strings(&stepward["command"])].concat());
    assert_eq!(stepward["read_only"], true);
    assert_eq!(strings(&stepward["cap_drop"]), ["ALL"]);
    assert!(!stepward["user"].as_str().unwrap().starts_with("0"), "not root");

    let settings = settings_at("stepward.yaml", &text("stepward.yaml"));
    let published = strings(&stepward["ports"]);
    let inside: BTreeSet<u64> = published.iter().map(|it| it.rsplit(':').next().unwrap().parse().unwrap()).collect();
    assert_eq!(inside, ports(&settings));
    let health = published.iter().find(|it| it.ends_with(":7301")).unwrap();
    assert!(health.starts_with("127.0.0.1:"), "health and metrics stay on this machine");

    let volumes = strings(&stepward["volumes"]);
    let state = volumes.iter().find(|it| it.contains(STATE)).unwrap();
    assert!(!state.ends_with(":ro"), "the state is the only thing that is written");
    for volume in volumes.iter().filter(|it| it.starts_with('.')) {
        let source = volume.split(':').next().unwrap();
        assert!(
            Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(source).exists(),
            "{source} is mounted and not there"
        );
        assert!(volume.ends_with(":ro"), "{volume} is written by nobody");
    }
    let app = all(compose, "network_mode")[0];
    assert_eq!(app, "service:stepward", "nobody passes by Stepward");
    assert_eq!(settings.upstreams["app"].addresses[0].0.as_ref(), "127.0.0.1");
    let port = settings.upstreams["app"].addresses[0].1;
    assert!(
        text("compose-app.conf").contains(&format!("listen 127.0.0.1:{port};")),
        "the stand-in listens where Stepward sends"
    );
}

#[test]
fn the_nodes_of_the_compose_file_with_redis_share_what_they_must() {
    let compose = &documents("compose-redis.yaml")[0];
    let settings = settings_at("stepward-redis.yaml", &text("stepward-redis.yaml"));
    let shared = settings.state.redis.as_ref().expect("its state is in Redis");
    let (redis, app) = (&compose["services"]["redis"], &compose["services"]["app"]);
    for closed in [redis, app] {
        assert_eq!(strings(&closed["networks"]), ["inside"], "nobody passes by Stepward");
    }
    assert_eq!(compose["networks"]["inside"]["internal"], true);
    assert!(redis["command"].to_string().contains("--maxmemory-policy noeviction"), "a full memory evicts no lock-out");
    let (one, two) = (&compose["services"]["one"], &compose["services"]["two"]);
    for node in [one, two] {
        takes(&[&["stepward"][..], &strings(&node["command"])].concat());
        assert_eq!(node["environment"]["REDIS_URL"], "redis://redis:6379/0");
        assert_eq!(strings(&node["secrets"]), ["redis-password"]);
        assert_eq!(node["read_only"], true);
        assert_eq!(strings(&node["cap_drop"]), ["ALL"]);
        let published = strings(&node["ports"]);
        let inside: BTreeSet<u64> =
            published.iter().map(|it| it.rsplit(':').next().unwrap().parse().unwrap()).collect();
        assert_eq!(inside, ports(&settings));
    }
    assert_eq!(one["volumes"], two["volumes"], "one key ring for both");
    assert_ne!(one["ports"], two["ports"]);
    assert_eq!(settings.upstreams["app"].addresses, [("app".into(), 80)]);
    let keys = settings.state.keys.as_ref().expect("the ring is in a file");
    assert!(keys.starts_with(STATE), "on the volume: {}", keys.display());
    assert!(shared.password.is_some(), "Redis asks for a password");
}

#[test]
fn kubernetes_manifests_fit_the_binary() {
    for name in ["kubernetes/edge.yaml", "kubernetes/sidecar.yaml"] {
        let documents = documents(name);
        let deployment = documents.iter().find(|it| it["kind"] == "Deployment").unwrap();
        let pod = &deployment["spec"]["template"]["spec"];
        assert_eq!(deployment["spec"]["replicas"], 1, "{name}: the embedded store is one node's");
        assert_eq!(deployment["spec"]["strategy"]["type"], "Recreate", "{name}: never two at one volume");
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true, "{name}");
        let containers = pod["containers"].as_array().unwrap();
        let stepward = containers.iter().find(|it| it["name"] == "stepward").unwrap();
        takes(&[&["stepward"][..], &strings(&stepward["args"])].concat());
        for (key, value) in [("allowPrivilegeEscalation", false), ("readOnlyRootFilesystem", true)] {
            assert_eq!(stepward["securityContext"][key], value, "{name}: {key}");
        }
        probes(name, stepward);
        let config = documents.iter().flat_map(|it| all(it, "stepward.yaml")).next().unwrap().as_str().unwrap();
        let settings = settings_at(name, config);
        let named: BTreeSet<u64> =
            stepward["ports"].as_array().unwrap().iter().map(|it| it["containerPort"].as_u64().unwrap()).collect();
        assert_eq!(named, ports(&settings), "{name}");
        let grace = pod["terminationGracePeriodSeconds"].as_u64().unwrap();
        assert!(grace > settings.limits.drain.as_secs(), "{name}: requests finish before the process is killed");
        volumes(name, pod, stepward, &documents);
    }
}

/// Probes ask what is served, at a port that has that name.
fn probes(name: &str, container: &Json) {
    let served = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/api/health.rs")).unwrap();
    let probes = all(container, "httpGet");
    assert!(probes.len() >= 2, "{name}");
    for probe in probes {
        let path = probe["path"].as_str().unwrap();
        assert!(served.contains(&format!(".route(\"{path}\"")), "{name}: nobody serves {path}");
        assert_eq!(probe["port"], "health", "{name}");
    }
    assert!(all(container, "containerPort").contains(&&Json::from(7301)), "{name}");
}

/// Every mount has a volume, every volume something declared, and only the state is written.
fn volumes(name: &str, pod: &Json, container: &Json, documents: &[Json]) {
    let declared = |kind: &str| -> BTreeSet<&str> {
        let of_kind = documents.iter().filter(|it| it["kind"] == kind);
        of_kind.map(|it| it["metadata"]["name"].as_str().unwrap()).collect()
    };
    for mount in container["volumeMounts"].as_array().unwrap() {
        let volume = pod["volumes"].as_array().unwrap().iter().find(|it| it["name"] == mount["name"]);
        let volume = volume.unwrap_or_else(|| panic!("{name}: {mount} has no volume"));
        let path = mount["mountPath"].as_str().unwrap();
        if let Some(claim) = volume["persistentVolumeClaim"]["claimName"].as_str() {
            assert!(declared("PersistentVolumeClaim").contains(claim), "{name}: {claim}");
            assert_eq!((path, &mount["readOnly"]), (STATE, &Json::Null), "{name}");
            continue;
        }
        let map = volume["configMap"]["name"].as_str().unwrap();
        // The policies are made from a folder by the command in the comment.
        let is_made = text(name).contains(&format!("kubectl create configmap {map} --from-file=policies/"));
        assert!(declared("ConfigMap").contains(map) || is_made, "{name}: {map} is nowhere declared");
        assert!(path == SETTINGS || path == "/etc/stepward/policies", "{name}: {path}");
        assert_eq!(mount["readOnly"], true, "{name}: {path}");
    }
}

#[test]
fn the_socket_is_one_that_the_settings_listen_on_and_systemd_reads_it() {
    let socket = text("stepward.socket");
    let values = |key: &str| -> Vec<&str> {
        socket.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('=')).collect()
    };
    let settings = settings_at("stepward.yaml", &text("stepward.yaml"));
    let listened: Vec<_> = settings.listen.iter().map(|it| it.address.to_string()).collect();
    assert_eq!(values("ListenStream"), listened, "a socket is found by its address");
    let name = values("FileDescriptorName")[0];
    let comment = socket.lines().find(|line| line.contains("socket:")).unwrap();
    assert!(comment.contains(&format!("socket: {name} ")), "the name in the comment is the name");

    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        eprintln!("systemd-analyze is not here; only the text was checked");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let unit = text("stepward.service").replace(&format!("ExecStart={BINARY} "), "ExecStart=/bin/true ");
    fs::write(folder.path().join("stepward.service"), unit).unwrap();
    let copy = folder.path().join("stepward.socket");
    fs::write(&copy, &socket).unwrap();
    let verified = Command::new("systemd-analyze").arg("verify").arg(&copy).output().unwrap();
    let told = String::from_utf8_lossy(&verified.stderr);
    assert!(verified.status.success(), "{told}");
    assert!(!told.contains("stepward."), "systemd has something to say: {told}");
}

#[test]
fn the_unit_runs_what_the_binary_takes_and_systemd_reads_it() {
    let unit = text("stepward.service");
    let value = |key: &str| {
        let found = unit.lines().find_map(|line| line.strip_prefix(&format!("{key}=")));
        found.unwrap_or_else(|| panic!("no {key}"))
    };
    let start: Vec<&str> = value("ExecStart").split(' ').collect();
    assert_eq!(start[0], BINARY);
    assert!(start.contains(&SETTINGS));
    takes(&start);
    assert_eq!(Path::new("/var/lib").join(value("StateDirectory")), Path::new(STATE));
    assert_eq!(Path::new("/etc").join(value("ConfigurationDirectory")), Path::new(SETTINGS).parent().unwrap());
    assert_eq!(value("Type"), "notify", "the process tells systemd of starts and reloads");
    assert!(value("ExecReload").ends_with("kill -HUP $MAINPID"), "SIGHUP reloads");

    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        eprintln!("systemd-analyze is not here; only the text was checked");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("stepward.service");
    // The binary is not installed where the test runs; everything else of the unit is read as it is.
    fs::write(&copy, unit.replace(&format!("ExecStart={BINARY} "), "ExecStart=/bin/true ")).unwrap();
    let verified = Command::new("systemd-analyze").arg("verify").arg(&copy).output().unwrap();
    let told = String::from_utf8_lossy(&verified.stderr);
    assert!(verified.status.success(), "{told}");
    assert!(!told.contains("stepward.service"), "systemd has something to say: {told}");
}
