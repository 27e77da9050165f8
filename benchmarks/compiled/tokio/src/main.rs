//! The workloads of benchmarks/README.md on tokio: `beside <threads> <workload> <n>` prints the figures as JSON, `beside` the
//! workloads it has. One thread is tokio's current-thread runtime, more are its work-stealing one.

use std::collections::VecDeque;
use std::env;
use std::fs;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{mpsc, Notify};

const RING_NODES: usize = 1_000;
const SKYNET_CHILDREN: usize = 10;
const FANIN_BUFFER: usize = 8;
const FANIN_ITEMS: usize = 20_000;

type Figures = Vec<(&'static str, f64)>;

fn since(start: Instant, n: usize) -> Figures {
    vec![("ns", start.elapsed().as_nanos() as f64 / n as f64)]
}

fn rss() -> f64 {
    let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<f64>().ok()).unwrap_or(0.0) * 4096.0
}

async fn spawn_join(n: usize) -> Figures {
    let counter = Arc::new(AtomicUsize::new(0));
    let start = Instant::now();
    let mut handles = Vec::with_capacity(n);
    for _ in 0..n {
        let counter = counter.clone();
        handles.push(tokio::spawn(async move {
            counter.fetch_add(1, Ordering::Relaxed);
        }));
    }
    for handle in handles {
        handle.await.unwrap();
    }
    assert_eq!(counter.load(Ordering::Relaxed), n);
    since(start, n)
}

/// A channel of tokio has one receiver: the tasks wait on a Notify.
async fn parked(n: usize) -> Figures {
    let before = rss();
    let waiting = Arc::new(AtomicUsize::new(0));
    let closed = Arc::new(Notify::new());
    let start = Instant::now();
    let mut handles = Vec::with_capacity(n);
    for _ in 0..n {
        let (waiting, closed) = (waiting.clone(), closed.clone());
        handles.push(tokio::spawn(async move {
            let notified = closed.notified();
            tokio::pin!(notified);
            notified.as_mut().enable();
            waiting.fetch_add(1, Ordering::Relaxed);
            notified.await;
        }));
    }
    while waiting.load(Ordering::Relaxed) < n {
        tokio::task::yield_now().await;
    }
    let grown = rss() - before;
    closed.notify_waiters();
    for handle in handles {
        handle.await.unwrap();
    }
    let mut figures = since(start, n);
    figures.push(("bytes", grown / n as f64));
    figures
}

/// No channel of tokio is unbuffered: one slot.
async fn pingpong(n: usize) -> Figures {
    let (ping, mut pinged) = mpsc::channel::<usize>(1);
    let (pong, mut ponged) = mpsc::channel::<usize>(1);
    let start = Instant::now();
    tokio::spawn(async move {
        for _ in 0..n {
            pong.send(pinged.recv().await.unwrap()).await.unwrap();
        }
    });
    for i in 0..n {
        ping.send(i).await.unwrap();
        ponged.recv().await.unwrap();
    }
    since(start, n)
}

async fn prodcons(capacity: usize, n: usize) -> Figures {
    let (tx, mut rx) = mpsc::channel::<usize>(capacity);
    let start = Instant::now();
    tokio::spawn(async move {
        for i in 0..n {
            tx.send(i).await.unwrap();
        }
    });
    for _ in 0..n {
        rx.recv().await.unwrap();
    }
    since(start, n)
}

async fn prodcons_unbounded(n: usize) -> Figures {
    let (tx, mut rx) = mpsc::unbounded_channel::<usize>();
    let start = Instant::now();
    tokio::spawn(async move {
        for i in 0..n {
            tx.send(i).unwrap();
        }
    });
    for _ in 0..n {
        rx.recv().await.unwrap();
    }
    since(start, n)
}

async fn channels(n: usize) -> Figures {
    let before = rss();
    let mut kept = VecDeque::with_capacity(n);
    let start = Instant::now();
    for _ in 0..n {
        kept.push_back(mpsc::channel::<usize>(1));
    }
    let mut figures = since(start, n);
    figures.push(("bytes", (rss() - before) / kept.len() as f64));
    figures
}

async fn fanin(n: usize) -> Figures {
    let rounds = (FANIN_ITEMS / n).max(1);
    let (mut whole, mut draining) = (0.0, 0.0);
    for _ in 0..rounds {
        let began = Instant::now();
        let (tx, mut rx) = mpsc::channel::<usize>(FANIN_BUFFER);
        let begun = Arc::new(AtomicUsize::new(0));
        let mut handles = Vec::with_capacity(n);
        for _ in 0..n {
            let (tx, begun) = (tx.clone(), begun.clone());
            handles.push(tokio::spawn(async move {
                begun.fetch_add(1, Ordering::Relaxed);
                tx.send(0).await.unwrap();
            }));
        }
        while begun.load(Ordering::Relaxed) < n {
            tokio::task::yield_now().await;
        }
        let start = Instant::now();
        for _ in 0..n {
            rx.recv().await.unwrap();
        }
        for handle in handles {
            handle.await.unwrap();
        }
        draining += start.elapsed().as_nanos() as f64;
        whole += began.elapsed().as_nanos() as f64;
    }
    let items = (n * rounds) as f64;
    vec![("ns", whole / items), ("drain_ns", draining / items)]
}

async fn select_4(n: usize) -> Figures {
    let (senders, mut receivers): (Vec<_>, Vec<_>) = (0..4).map(|_| mpsc::channel::<usize>(1)).unzip();
    let mut state: u32 = 4;
    let targets: Vec<usize> = (0..n)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 30) as usize
        })
        .collect();
    let [a, b, c, d] = &mut receivers[..] else { unreachable!() };
    let start = Instant::now();
    tokio::spawn(async move {
        for i in targets {
            senders[i].send(i).await.unwrap();
        }
    });
    for _ in 0..n {
        let (index, value) = tokio::select! {
            Some(value) = a.recv() => (0, value),
            Some(value) = b.recv() => (1, value),
            Some(value) = c.recv() => (2, value),
            Some(value) = d.recv() => (3, value),
        };
        assert_eq!(index, value);
    }
    since(start, n)
}

async fn ring(n: usize) -> Figures {
    let laps = n / RING_NODES;
    let (first, mut source) = mpsc::channel::<usize>(1);
    let start = Instant::now();
    for _ in 0..RING_NODES - 1 {
        let (tx, rx) = mpsc::channel::<usize>(1);
        let mut from = std::mem::replace(&mut source, rx);
        tokio::spawn(async move {
            for _ in 0..laps {
                tx.send(from.recv().await.unwrap()).await.unwrap();
            }
        });
    }
    for lap in 0..laps {
        first.send(lap).await.unwrap();
        source.recv().await.unwrap();
    }
    since(start, laps * RING_NODES)
}

fn node(first: usize, leaves: usize) -> Pin<Box<dyn Future<Output = usize> + Send>> {
    Box::pin(async move {
        if leaves == 1 {
            return first;
        }
        let share = leaves / SKYNET_CHILDREN;
        let children: Vec<_> = (0..SKYNET_CHILDREN).map(|i| tokio::spawn(node(first + i * share, share))).collect();
        let mut total = 0;
        for child in children {
            total += child.await.unwrap();
        }
        total
    })
}

async fn skynet(n: usize) -> Figures {
    let mut leaves = 1;
    while leaves * SKYNET_CHILDREN <= n {
        leaves *= SKYNET_CHILDREN;
    }
    let start = Instant::now();
    let total = tokio::spawn(node(0, leaves)).await.unwrap();
    let figures = since(start, leaves);
    assert_eq!(total, leaves * (leaves - 1) / 2);
    figures
}

const NAMES: [&str; 14] = [
    "spawn_join", "parked", "pingpong", "prodcons_1", "prodcons_1024", "prodcons_unbounded", "channels", "fanin_1k",
    "fanin_10k", "fanin_100k", "fanin_1m", "select_4", "ring", "skynet",
];

async fn measure(workload: String, n: usize) -> Figures {
    match workload.as_str() {
        "spawn_join" => spawn_join(n).await,
        "parked" => parked(n).await,
        "pingpong" => pingpong(n).await,
        "prodcons_1" => prodcons(1, n).await,
        "prodcons_1024" => prodcons(1024, n).await,
        "prodcons_unbounded" => prodcons_unbounded(n).await,
        "channels" => channels(n).await,
        "fanin_1k" | "fanin_10k" | "fanin_100k" | "fanin_1m" => fanin(n).await,
        "select_4" => select_4(n).await,
        "ring" => ring(n).await,
        "skynet" => skynet(n).await,
        _ => panic!("no such workload: {workload}"),
    }
}

fn main() {
    let given: Vec<String> = env::args().collect();
    if given.len() == 1 {
        println!("[{}]", NAMES.map(|name| format!("\"{name}\"")).join(", "));
        return;
    }
    let threads: usize = given[1].parse().expect("threads is a number");
    let n: usize = given[3].parse().expect("n is a number");
    let runtime = if threads == 1 {
        tokio::runtime::Builder::new_current_thread().build().unwrap()
    } else {
        tokio::runtime::Builder::new_multi_thread().worker_threads(threads).build().unwrap()
    };
    let workload = given[2].clone();
    let figures = runtime.block_on(async move { tokio::spawn(measure(workload, n)).await.unwrap() });
    let shown: Vec<String> = figures.iter().map(|(name, figure)| format!("\"{name}\": {figure}")).collect();
    println!("{{{}}}", shown.join(", "));
}
