//! A real Chromium without a window, driven over a pair of pipes by its own protocol.

use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

/// What does not come within this time does not come.
const PATIENCE: Duration = Duration::from_secs(60);

/// One page in a browser of its own.
pub struct Browser {
    child: Child,
    commands: File,
    answers: Receiver<Value>,
    session: Value,
    count: u64,
    _folder: TempDir,
}

impl Browser {
    /// Opens the page, in a window of that size.
    pub fn open(url: &str, width: u32, height: u32) -> Browser {
        let program = std::env::var("SESSIONGATE_TEST_BROWSER").unwrap_or_else(|_| {
            panic!("SESSIONGATE_TEST_BROWSER is not set: `make test` sets it; by hand, give it the path of a Chromium")
        });
        let folder = tempfile::tempdir().unwrap();
        let (commands, answers) = (folder.path().join("commands"), folder.path().join("answers"));
        assert!(Command::new("mkfifo").args([&commands, &answers]).status().unwrap().success());
        // The browser reads commands from descriptor 3 and answers on descriptor 4.
        let script = r#"exec "$0" "$@" 3<"$COMMANDS" 4>"$ANSWERS""#;
        let child = Command::new("sh")
            .args([
                "-c",
                script,
                &program,
                "--headless=new",
                "--remote-debugging-pipe",
                "--no-sandbox",
                "--disable-gpu",
            ])
            .args(["--no-first-run", "--disable-dev-shm-usage", "--hide-scrollbars"])
            .arg(format!("--user-data-dir={}", folder.path().join("profile").display()))
            .arg(format!("--window-size={width},{height}"))
            .envs([("COMMANDS", &commands), ("ANSWERS", &answers)])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // In the order of the shell, which waits for the other end of each.
        let commands = File::options().write(true).open(commands).unwrap();
        let answers = read_from(File::open(answers).unwrap());
        let mut browser = Browser { child, commands, answers, session: Value::Null, count: 0, _folder: folder };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" }));
        let attached = json!({ "targetId": target["targetId"], "flatten": true });
        browser.session = browser.call("Target.attachToTarget", attached)["sessionId"].clone();
        browser.call("Page.enable", json!({}));
        browser.call("Page.navigate", json!({ "url": url }));
        browser.wait_for("document.readyState === 'complete' && location.protocol === 'http:'");
        browser
    }

    /// Calls a method of the protocol.
    pub fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.count += 1;
        let mut command = json!({ "id": self.count, "method": method, "params": parameters });
        if !self.session.is_null() {
            command["sessionId"] = self.session.clone();
        }
        self.commands.write_all(format!("{command}\0").as_bytes()).unwrap();
        loop {
            let answer = self.answers.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no answer to {method}"));
            if answer["id"] == self.count {
                assert!(answer["error"].is_null(), "{method}: {answer}");
                return answer["result"].clone();
            }
        }
    }

    /// The value of an expression in the page; one that promises is waited for.
    pub fn value(&mut self, expression: &str) -> Value {
        let asked = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let told = self.call("Runtime.evaluate", asked);
        assert!(told["exceptionDetails"].is_null(), "{expression}: {told}");
        told["result"]["value"].clone()
    }

    /// What a person reads there; nothing where nothing is shown.
    pub fn text(&mut self, selector: &str) -> String {
        let found = self.value(&read(selector));
        found.as_str().unwrap_or_default().trim().to_owned()
    }

    /// Waits until an expression holds in the page.
    pub fn wait_for(&mut self, expression: &str) {
        let promise = format!(
            "new Promise(resolve => {{
                const until = performance.now() + 40000;
                const look = () => {{
                    let holds = false;
                    try {{ holds = Boolean({expression}); }} catch {{}}
                    if (holds || performance.now() > until) resolve(holds);
                    else setTimeout(look, 50);
                }};
                look();
            }})"
        );
        if self.value(&promise) != true {
            let page = self.text("body");
            panic!("waited in vain for {expression} on a page that reads:\n{page}");
        }
    }

    /// Waits until a person reads that there.
    pub fn wait_to_read(&mut self, selector: &str, text: &str) {
        self.wait_for(&format!("{}.includes({})", read(selector), json!(text)));
    }

    /// Presses a key that is no letter.
    pub fn press(&mut self, key: &str) {
        let (code, text) = match key {
            "Tab" => (9, ""),
            "Enter" => (13, "\r"),
            other => panic!("nobody presses {other}"),
        };
        for kind in ["keyDown", "keyUp"] {
            let text = if kind == "keyDown" { text } else { "" };
            let event = json!({ "type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code, "text": text });
            self.call("Input.dispatchKeyEvent", event);
        }
    }

    /// Goes on with Tab until it arrives at the element of that id.
    pub fn tab_to(&mut self, id: &str) {
        for _ in 0..30 {
            if self.value("document.activeElement.id") == id {
                return;
            }
            self.press("Tab");
        }
        panic!("Tab does not lead to {id}");
    }

    pub fn write(&mut self, text: &str) {
        self.value("document.activeElement.value = ''");
        self.call("Input.insertText", json!({ "text": text }));
    }

    /// What assistive technology is told: role and name of everything that has a name.
    pub fn accessible(&mut self) -> Vec<(String, String)> {
        let tree = self.call("Accessibility.getFullAXTree", json!({}));
        let nodes = tree["nodes"].as_array().unwrap().iter().filter(|node| node["ignored"] != true);
        let text = |value: &Value| value["value"].as_str().unwrap_or_default().to_owned();
        nodes.map(|node| (text(&node["role"]), text(&node["name"]))).filter(|(_, name)| !name.is_empty()).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What is hidden has a text too, and nobody reads it.
fn read(selector: &str) -> String {
    format!("((found) => found?.checkVisibility() ? found.innerText : '')(document.querySelector({}))", json!(selector))
}

/// Messages end with a zero.
fn read_from(pipe: File) -> Receiver<Value> {
    let (tell, answers) = channel();
    thread::spawn(move || {
        for message in BufReader::new(pipe).split(0).map_while(Result::ok) {
            let Ok(message) = serde_json::from_slice(&message) else { break };
            if tell.send(message).is_err() {
                break;
            }
        }
    });
    answers
}
