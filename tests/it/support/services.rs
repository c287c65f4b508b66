//! A Kafka and a Redis of a test's own, for tests that break them. Each dies with its value.

use super::{variable, wait_until};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use std::collections::hash_map::RandomState;
use std::fs;
use std::hash::BuildHasher;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;
use tempfile::TempDir;

/// The script that starts the services of `make test`: what it tells a Kafka, a test's own is told too.
const SCRIPT: &str = include_str!("../../../scripts/services.sh");

/// A port below those that the kernel gives to outgoing connections: nobody takes it while its service is down.
pub fn free_port() -> u16 {
    let random = RandomState::new();
    let ports = (0_u64..1_000).map(|attempt| 10_000 + (random.hash_one(attempt) % 20_000) as u16);
    let free = ports.into_iter().find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    free.expect("a free port on 127.0.0.1")
}

/// Sends a signal by its name. Through the shell's own tool: the library call is unsafe.
fn signal(child: &Child, name: &str) {
    let done = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status().unwrap();
    assert!(done.success(), "kill -{name}");
}

pub fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

/// One broker that is its own controller.
pub struct OwnKafka {
    pub brokers: String,
    folder: TempDir,
    child: Child,
}

impl OwnKafka {
    pub fn start() -> OwnKafka {
        OwnKafka::start_with(|_, _| String::new(), &[])
    }

    /// With further properties, made of its port and its controller's, and options of the command that formats it.
    pub fn start_with(properties: impl Fn(u16, u16) -> String, format_options: &[&str]) -> OwnKafka {
        let folder = tempfile::Builder::new().prefix("sessiongate-kafka.").tempdir().unwrap();
        let (port, controller_port) = (free_port(), free_port());
        let usual = kafka_properties(&folder.path().to_string_lossy(), port, controller_port);
        // Of a property that is there twice, the later counts.
        let properties = format!("{usual}\n{}", properties(port, controller_port));
        let file = folder.path().join("server.properties");
        fs::write(&file, properties).unwrap();
        let mut format = java(&folder);
        format
            .args(["kafka.tools.StorageTool", "format", "-t", "c2Vzc2lvbmdhdGUtLS0tLQ", "-c"])
            .arg(&file)
            .args(format_options);
        assert!(format.stdout(Stdio::null()).status().unwrap().success(), "Kafka's folder could not be formatted");
        let child = OwnKafka::spawn(&folder);
        let kafka = OwnKafka { brokers: format!("127.0.0.1:{port}"), folder, child };
        kafka.wait_until_ready();
        kafka
    }

    fn spawn(folder: &TempDir) -> Child {
        let mut command = java(folder);
        command.arg("kafka.Kafka").arg(folder.path().join("server.properties"));
        let output = fs::File::create(folder.path().join("output.log")).unwrap();
        command.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output).spawn().unwrap()
    }

    fn wait_until_ready(&self) {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", &self.brokers)
            .set("reconnect.backoff.max.ms", "200")
            .create()
            .unwrap();
        wait_until("a Kafka of the test's own to answer", || {
            let metadata = consumer.fetch_metadata(None, Duration::from_secs(1));
            metadata.is_ok_and(|metadata| !metadata.brokers().is_empty())
        });
    }

    /// kill -9.
    pub fn kill(&mut self) {
        end(&mut self.child);
    }

    /// Starts it again on the same data and ports.
    pub fn restart(&mut self) {
        end(&mut self.child);
        self.child = OwnKafka::spawn(&self.folder);
        self.wait_until_ready();
    }
}

impl Drop for OwnKafka {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

fn java(folder: &TempDir) -> Command {
    let logging =
        concat!("-Dlog4j2.configurationFile=", env!("CARGO_MANIFEST_DIR"), "/scripts/kafka-log4j2.properties");
    let mut command = Command::new("java");
    command.args(["-Xmx512m", "-Xms128m", "-XX:+UseSerialGC", "-XX:+ExitOnOutOfMemoryError", "-cp"]);
    command.arg(format!("{}/*", variable("SESSIONGATE_TEST_KAFKA_LIBS"))).arg(logging);
    command.arg(format!("-Dkafka.logs.dir={}", folder.path().display()));
    command
}

/// The properties that the script writes, with its three parameters filled in.
fn kafka_properties(folder: &str, port: u16, controller_port: u16) -> String {
    let (_, behind) = SCRIPT.split_once("cat <<PROPERTIES\n").expect("the script writes properties");
    let (properties, _) = behind.split_once("\nPROPERTIES\n").expect("and ends them");
    let filled = properties.replace("$1", folder).replace("$2", &port.to_string());
    // Alone, a broker that comes back waits for nobody but the session of its own former life.
    format!(
        "{}\nbroker.session.timeout.ms=2000\nbroker.heartbeat.interval.ms=500\n",
        filled.replace("$3", &controller_port.to_string())
    )
}

/// A Redis that keeps nothing on disk unless it is told to.
pub struct OwnRedis {
    pub port: u16,
    options: Vec<String>,
    folder: TempDir,
    child: Mutex<Child>,
}

impl OwnRedis {
    /// With options of the server's command line (`--replicaof`, `127.0.0.1 6379`).
    pub fn start(options: &[&str]) -> OwnRedis {
        let folder = tempfile::Builder::new().prefix("sessiongate-redis.").tempdir().unwrap();
        let options: Vec<String> = options.iter().map(|option| (*option).to_owned()).collect();
        let port = free_port();
        let child = Mutex::new(OwnRedis::spawn(port, &options, &folder));
        let redis = OwnRedis { port, options, folder, child };
        redis.wait_until_ready();
        redis
    }

    /// A replica of the Redis that is reached at this port.
    pub fn replica_of(port: u16) -> OwnRedis {
        let of = ["--replicaof", "127.0.0.1", &port.to_string(), "--repl-diskless-sync-delay", "0"];
        let replica = OwnRedis::start(&of);
        wait_until("a replica to be in step", || replica.info("replication").contains("master_link_status:up"));
        replica
    }

    fn spawn(port: u16, options: &[String], folder: &TempDir) -> Child {
        Command::new(variable("SESSIONGATE_TEST_REDIS_SERVER"))
            .args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", "", "--appendonly", "no"])
            .args(["--maxmemory-policy", "noeviction", "--dir"])
            .arg(folder.path())
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    }

    fn wait_until_ready(&self) {
        let client = redis::Client::open(self.url()).unwrap();
        wait_until("a Redis of the test's own to answer", || {
            let connection = client.get_connection_with_timeout(Duration::from_secs(1));
            connection.is_ok_and(|mut connection| redis::cmd("PING").query::<String>(&mut connection).is_ok())
        });
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    fn run(&self, command: &redis::Cmd) -> redis::Value {
        let mut connection = redis::Client::open(self.url()).unwrap().get_connection().unwrap();
        command.query(&mut connection).unwrap()
    }

    /// Empty when it does not answer: whoever is made a replica by a Sentinel closes all connections.
    pub fn info(&self, section: &str) -> String {
        let connection = redis::Client::open(self.url()).unwrap().get_connection();
        connection.and_then(|mut it| redis::cmd("INFO").arg(section).query(&mut it)).unwrap_or_default()
    }

    pub fn flush_all(&self) {
        self.run(&redis::cmd("FLUSHALL"));
    }

    /// kill -9.
    pub fn kill(&mut self) {
        self.kill_shared();
    }

    /// The same, of one that is not ours alone.
    pub fn kill_shared(&self) {
        end(&mut self.child.lock().unwrap());
    }

    /// Starts it as it was started first, with whatever it has kept on disk.
    pub fn start_shared(&self) {
        *self.child.lock().unwrap() = OwnRedis::spawn(self.port, &self.options, &self.folder);
        self.wait_until_ready();
    }

    /// SIGSTOP: connections stay, answers do not come.
    pub fn pause(&self) {
        signal(&self.child.lock().unwrap(), "STOP");
    }

    /// SIGCONT.
    pub fn resume(&self) {
        signal(&self.child.lock().unwrap(), "CONT");
    }

    /// Kills it and starts it with nothing in it.
    pub fn restart_empty(&mut self) {
        self.restart(None);
    }

    /// Keeps what it holds now for `restart_from_dump`.
    pub fn save_dump(&self) {
        self.run(&redis::cmd("SAVE"));
        fs::rename(self.loaded_at_start(), self.dump()).unwrap();
    }

    /// Kills it and starts it with what it held at `save_dump`.
    pub fn restart_from_dump(&mut self) {
        self.restart(Some(self.dump()));
    }

    fn restart(&mut self, dump: Option<PathBuf>) {
        self.kill_shared();
        let loaded = self.loaded_at_start();
        match dump {
            Some(dump) => drop(fs::copy(dump, loaded).unwrap()),
            // What a replica received as a file would be loaded too.
            None => drop(fs::remove_file(loaded)),
        }
        self.start_shared();
    }

    fn loaded_at_start(&self) -> PathBuf {
        self.folder.path().join("dump.rdb")
    }

    fn dump(&self) -> PathBuf {
        self.folder.path().join("kept.rdb")
    }

    /// A replica becomes a primary.
    pub fn promote(&self) {
        self.run(redis::cmd("REPLICAOF").arg("NO").arg("ONE"));
    }
}

impl Drop for OwnRedis {
    fn drop(&mut self) {
        self.kill_shared();
    }
}
