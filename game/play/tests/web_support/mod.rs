//! A browser that is told what to do, and a server of a folder, with the standard library alone.
//!
//! Chromium speaks the DevTools protocol over two pipes (`--remote-debugging-pipe`): JSON, a zero byte
//! after each message. That needs neither Node nor a WebSocket.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// A browser without a screen.
pub(crate) struct Browser {
    child: Child,
    to: ChildStdin,
    from: Receiver<Value>,
    last_id: u64,
    /// What the pages said by themselves: `(session, message)`.
    pub(crate) events: Vec<Value>,
    pub(crate) downloads: PathBuf,
}

impl Browser {
    /// Starts it, with everything that it writes below `folder`.
    pub(crate) fn start(program: &str, folder: &Path) -> Self {
        let downloads = folder.join("downloads");
        std::fs::create_dir_all(&downloads).unwrap();
        let log = std::fs::File::create(folder.join("browser.log")).unwrap();
        let mut child = Command::new("sh")
            .arg("-c")
            .arg("exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >&2")
            .arg(program)
            .args([
                "--headless",
                "--remote-debugging-pipe",
                "--no-sandbox",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--disable-quic",
                "--disable-dev-shm-usage",
                // WebGL 2 drawn by the processor.
                "--use-gl=angle",
                "--use-angle=swiftshader",
                "--enable-unsafe-swiftshader",
                "--ignore-gpu-blocklist",
                "--window-size=640,640",
            ])
            .arg(format!(
                "--user-data-dir={}",
                folder.join("profile").display()
            ))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let to = child.stdin.take().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let (send, from) = channel();
        std::thread::spawn(move || {
            loop {
                let mut message = Vec::new();
                match out.read_until(0, &mut message) {
                    Ok(n) if n > 0 => {}
                    _ => return,
                }
                message.pop();
                let Ok(value) = serde_json::from_slice(&message) else {
                    return;
                };
                if send.send(value).is_err() {
                    return;
                }
            }
        });
        let mut browser = Self {
            child,
            to,
            from,
            last_id: 0,
            events: Vec::new(),
            downloads: downloads.clone(),
        };
        browser.call(
            None,
            "Browser.setDownloadBehavior",
            json!({"behavior": "allow", "downloadPath": downloads, "eventsEnabled": true}),
        );
        browser
    }

    /// Calls a method and gives its result.
    pub(crate) fn call(&mut self, session: Option<&str>, method: &str, params: Value) -> Value {
        self.last_id += 1;
        let id = self.last_id;
        let mut message = json!({"id": id, "method": method, "params": params});
        if let Some(session) = session {
            message["sessionId"] = json!(session);
        }
        let mut bytes = serde_json::to_vec(&message).unwrap();
        bytes.push(0);
        self.to.write_all(&bytes).unwrap();
        let until = Instant::now() + Duration::from_secs(120);
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.from.recv_timeout(left) {
                Ok(answer) if answer["id"] == json!(id) => {
                    assert!(answer.get("error").is_none(), "{method}: {answer}");
                    return answer["result"].clone();
                }
                Ok(event) => self.events.push(event),
                Err(e) => panic!("{method}: the browser does not answer ({e})"),
            }
        }
    }

    /// Takes what the pages said up to now, and for `wait`.
    pub(crate) fn listen(&mut self, wait: Duration) {
        let until = Instant::now() + wait;
        loop {
            match self
                .from
                .recv_timeout(until.saturating_duration_since(Instant::now()))
            {
                Ok(event) => self.events.push(event),
                Err(RecvTimeoutError::Timeout) => return,
                Err(e) => panic!("the browser has ended ({e})"),
            }
        }
    }

    /// Opens a tab.
    pub(crate) fn tab(&mut self) -> Tab {
        let target = self.call(None, "Target.createTarget", json!({"url": "about:blank"}));
        let id = target["targetId"].as_str().unwrap().to_owned();
        let attached = self.call(
            None,
            "Target.attachToTarget",
            json!({"targetId": id, "flatten": true}),
        );
        let session = attached["sessionId"].as_str().unwrap().to_owned();
        for domain in ["Page", "Runtime", "Log"] {
            self.call(Some(&session), &format!("{domain}.enable"), json!({}));
        }
        self.call(
            Some(&session),
            "Emulation.setDeviceMetricsOverride",
            json!({"width": 640, "height": 640, "deviceScaleFactor": 1, "mobile": false}),
        );
        Tab { id, session }
    }

    /// The errors that pages reported: uncaught ones, console errors, failed requests.
    pub(crate) fn errors(&self) -> Vec<String> {
        let of = |event: &Value| {
            let params = &event["params"];
            match event["method"].as_str()? {
                "Runtime.exceptionThrown" => Some(params["exceptionDetails"].to_string()),
                "Runtime.consoleAPICalled"
                    // The game's own log goes out as `log`, with its level in front.
                    if params["type"] == "error"
                        || params["type"] == "assert"
                        || params["args"][0]["value"]
                            .as_str()
                            .is_some_and(|text| text.starts_with("%cERROR")) =>
                {
                    Some(params["args"].to_string())
                }
                "Log.entryAdded" if params["entry"]["level"] == "error" => {
                    Some(params["entry"].to_string())
                }
                "Inspector.targetCrashed" => Some("the page crashed".to_owned()),
                _ => None,
            }
        };
        self.events.iter().filter_map(of).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A tab of a browser.
pub(crate) struct Tab {
    pub(crate) id: String,
    pub(crate) session: String,
}

impl Tab {
    pub(crate) fn call(&self, browser: &mut Browser, method: &str, params: Value) -> Value {
        browser.call(Some(&self.session), method, params)
    }

    pub(crate) fn go(&self, browser: &mut Browser, address: &str) {
        let answer = self.call(browser, "Page.navigate", json!({"url": address}));
        assert!(answer.get("errorText").is_none(), "{address}: {answer}");
    }

    /// The value of an expression in the page.
    pub(crate) fn value(&self, browser: &mut Browser, expression: &str) -> Value {
        let answer = self.call(
            browser,
            "Runtime.evaluate",
            json!({"expression": expression, "returnByValue": true, "awaitPromise": true}),
        );
        assert!(
            answer.get("exceptionDetails").is_none(),
            "{expression}: {answer}"
        );
        answer["result"]["value"].clone()
    }

    /// Waits until an expression is true.
    pub(crate) fn wait(&self, browser: &mut Browser, seconds: u64, expression: &str) {
        let until = Instant::now() + Duration::from_secs(seconds);
        let safe =
            format!("(() => {{ try {{ return !!({expression}) }} catch {{ return false }} }})()");
        loop {
            if self.value(browser, &safe) == json!(true) {
                return;
            }
            if Instant::now() > until {
                let page = self.value(browser, "document.body.innerText");
                let state = self.value(browser, "JSON.stringify(globalThis.mentalPong?.state())");
                let errors = browser.errors();
                panic!(
                    "not within {seconds} s: {expression}; state {state}; page {page}; {errors:?}"
                );
            }
            browser.listen(Duration::from_millis(50));
        }
    }

    /// Presses or lets go a key.
    pub(crate) fn key(
        &self,
        browser: &mut Browser,
        down: bool,
        key: &str,
        code: &str,
        number: u32,
    ) {
        let kind = if down { "rawKeyDown" } else { "keyUp" };
        self.call(
            browser,
            "Input.dispatchKeyEvent",
            json!({"type": kind, "key": key, "code": code, "windowsVirtualKeyCode": number}),
        );
    }

    pub(crate) fn mouse(&self, browser: &mut Browser, kind: &str, x: f64, y: f64) {
        let buttons = u32::from(kind != "mouseReleased");
        let button = if kind == "mouseMoved" { "none" } else { "left" };
        self.call(
            browser,
            "Input.dispatchMouseEvent",
            json!({"type": kind, "x": x, "y": y, "button": button, "buttons": buttons, "clickCount": 1}),
        );
    }

    pub(crate) fn touch(&self, browser: &mut Browser, kind: &str, at: Option<(f64, f64)>) {
        let points: Vec<Value> = at.iter().map(|(x, y)| json!({"x": x, "y": y})).collect();
        self.call(
            browser,
            "Input.dispatchTouchEvent",
            json!({"type": kind, "touchPoints": points}),
        );
    }

    /// Clicks the middle of what a selector finds, with the mouse.
    pub(crate) fn click(&self, browser: &mut Browser, selector: &str) {
        let at = self.value(
            browser,
            &format!(
                "(() => {{ const e = document.querySelector({selector:?}); e.scrollIntoView(); \
                 const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2] }})()"
            ),
        );
        let (x, y) = (at[0].as_f64().unwrap(), at[1].as_f64().unwrap());
        self.mouse(browser, "mousePressed", x, y);
        self.mouse(browser, "mouseReleased", x, y);
    }

    /// Photographs the page.
    pub(crate) fn photograph(&self, browser: &mut Browser, path: &Path) -> Vec<u8> {
        let shot = self.call(browser, "Page.captureScreenshot", json!({"format": "png"}));
        let png = base64(shot["data"].as_str().unwrap());
        std::fs::write(path, &png).unwrap();
        png
    }

    /// Downloads a file by the page's own button.
    pub(crate) fn download(&self, browser: &mut Browser, key: &str, suffix: &str) -> String {
        let name = format!("{key}_task-mentalpong_{suffix}");
        let path = browser.downloads.join(&name);
        let _ = std::fs::remove_file(&path);
        browser
            .events
            .retain(|e| e["method"] != "Browser.downloadProgress");
        let label = format!("Download {suffix} of {key}");
        self.wait(
            browser,
            10,
            &format!("document.querySelector('[aria-label={label:?}]')"),
        );
        self.value(
            browser,
            &format!("document.querySelector('[aria-label={label:?}]').click()"),
        );
        let until = Instant::now() + Duration::from_secs(30);
        while !browser.events.iter().any(|e| {
            e["method"] == "Browser.downloadProgress" && e["params"]["state"] == "completed"
        }) {
            assert!(Instant::now() < until, "{name} was not downloaded");
            browser.listen(Duration::from_millis(20));
        }
        std::fs::read_to_string(path).unwrap()
    }
}

/// Bytes written in base64.
fn base64(text: &str) -> Vec<u8> {
    let digit = |b: u8| match b {
        b'A'..=b'Z' => u32::from(b - b'A'),
        b'a'..=b'z' => u32::from(b - b'a') + 26,
        b'0'..=b'9' => u32::from(b - b'0') + 52,
        b'+' => 62,
        _ => 63,
    };
    let digits: Vec<u32> = text.bytes().filter(|&b| b != b'=').map(digit).collect();
    digits
        .chunks(4)
        .flat_map(|four| {
            let bits = four.iter().fold(0, |sum, d| sum << 6 | d) << (6 * (4 - four.len()));
            let bytes = bits.to_be_bytes();
            bytes[1..four.len()].to_vec()
        })
        .collect()
}

/// Serves a folder below `/a/static/host/`, and some texts below `/a/static/host/given/`, at a port that
/// is free. Gives the address.
pub(crate) fn serve(folder: &Path, given: BTreeMap<&'static str, String>) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = format!("http://{}/a/static/host/", listener.local_addr().unwrap());
    let folder = folder.to_path_buf();
    let given = Arc::new(given);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (folder, given) = (folder.clone(), Arc::clone(&given));
            std::thread::spawn(move || answer(stream, &folder, &given));
        }
    });
    address
}

fn answer(mut stream: TcpStream, folder: &Path, given: &BTreeMap<&'static str, String>) {
    let mut line = String::new();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let _ = reader.read_line(&mut line);
    let mut header = String::new();
    while reader.read_line(&mut header).is_ok_and(|n| n > 2) {
        header.clear();
    }
    let path = line.split(' ').nth(1).unwrap_or("/");
    let path = path.split('?').next().unwrap_or_default();
    let body = path.strip_prefix("/a/static/host/").and_then(|name| {
        if let Some(text) = name.strip_prefix("given/").and_then(|name| given.get(name)) {
            return Some(text.as_bytes().to_vec());
        }
        let name = if name.is_empty() { "index.html" } else { name };
        let mut bytes = Vec::new();
        std::fs::File::open(folder.join(name))
            .ok()
            .filter(|_| !name.contains(".."))?
            .read_to_end(&mut bytes)
            .ok()?;
        Some(bytes)
    });
    let kind = match path.rsplit('.').next() {
        Some("js") => "text/javascript",
        Some("css") => "text/css",
        Some("wasm") => "application/wasm",
        Some("toml" | "tsv") => "text/plain",
        _ => "text/html",
    };
    let (status, body) = match body {
        Some(body) => ("200 OK", body),
        None => ("404 Not Found", Vec::new()),
    };
    let _ = write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all(&body);
}
