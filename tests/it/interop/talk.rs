//! A peer's program, with its standard streams as the connection.

use std::io::{Read as _, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::SOON;

/// How a program receives what it has to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writing {
    /// What comes in at stdin is sent as it comes.
    Plain,
    /// Four bytes of length in front of what is to be written in one piece.
    Counted,
}

/// A running program.
#[derive(Debug)]
pub struct Talk {
    child: Child,
    stdin: Option<ChildStdin>,
    writing: Writing,
    stdout: Receiver<Vec<u8>>,
    output: Vec<u8>,
    stderr: Option<JoinHandle<String>>,
}

impl Talk {
    pub fn start(mut command: Command, writing: Writing) -> Self {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, stdout) = channel();
        let mut from = child.stdout.take().unwrap();
        std::thread::spawn(move || {
            let mut chunk = vec![0; 64 * 1024];
            while let Ok(read @ 1..) = from.read(&mut chunk) {
                if sender.send(chunk[..read].to_vec()).is_err() {
                    break;
                }
            }
        });
        let mut from = child.stderr.take().unwrap();
        let stderr = Some(std::thread::spawn(move || {
            let mut all = Vec::new();
            let _ = from.read_to_end(&mut all);
            String::from_utf8_lossy(&all).into_owned()
        }));
        Self { stdin: child.stdin.take(), child, writing, stdout, output: Vec::new(), stderr }
    }

    /// Lets the peer send these bytes. One that was refused may be gone already.
    pub fn write(&mut self, bytes: &[u8]) {
        let stdin = self.stdin.as_mut().unwrap();
        let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
        let all = match self.writing {
            Writing::Plain => bytes.to_vec(),
            Writing::Counted => [&length, bytes].concat(),
        };
        let _ = stdin.write_all(&all).and_then(|()| stdin.flush());
    }

    /// The next MLLP frame that the peer has received, with its frame characters; the output of the program
    /// if there is none.
    pub fn frame(&mut self) -> Result<Vec<u8>, String> {
        let mut searched = 0;
        loop {
            // Some peers write what they received byte by byte.
            if let Some(end) = self.output[searched..].windows(2).position(|pair| pair == b"\x1C\r") {
                return Ok(self.output.drain(..searched + end + 2).collect());
            }
            searched = self.output.len().saturating_sub(1);
            match self.stdout.recv_timeout(SOON) {
                Ok(more) => self.output.extend(more),
                Err(_) => return Err(self.end()),
            }
        }
    }

    /// Closes the peer's stdin, waits for its end and brings it about if need be; its whole output and
    /// was not a frame.
    pub fn end(&mut self) -> String {
        drop(self.stdin.take());
        while let Ok(more) = self.stdout.recv_timeout(SOON) {
            self.output.extend(more);
        }
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let status = self.child.wait().unwrap();
        let stderr = self.stderr.take().map(|reading| reading.join().unwrap()).unwrap_or_default();
        format!("{}\n{stderr}\n{status}", String::from_utf8_lossy(&self.output))
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        // Gone already, or ended here: nothing may outlive its test. `timeout` passes this signal on.
        drop(self.stdin.take());
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let _ = self.child.wait();
    }
}
