// Locks, groups, contexts and timers: the second half of the workloads.
package main

import (
	"context"
	"math/rand"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	handoffParties   = 16
	writerShare      = 10
	permits          = 4
	groupLimit       = 100
	contextDepth     = 10
	subscribers      = 1_000
	subscriberBuffer = 16
	flightCallers    = 100
)

// together runs parties goroutines at once, each with a share of n, and gives the time for an item.
// They begin when first has returned.
func together(parties, n int, first func(), work func(share int)) figures {
	var group sync.WaitGroup
	var begun atomic.Int64
	for range parties {
		group.Add(1)
		go func() {
			begun.Add(1)
			work(n / parties)
			group.Done()
		}()
	}
	until(&begun, parties)
	start := time.Now()
	first()
	group.Wait()
	return since(start, n/parties*parties)
}

func mutex(n int) figures {
	var mu sync.Mutex
	start := time.Now()
	for range n {
		mu.Lock()
		mu.Unlock()
	}
	return since(start, n)
}

// Go's mutex lets the goroutine that runs take it again, so each gives way after it has unlocked.
func mutexHandoff(n int) figures {
	var mu sync.Mutex
	mu.Lock()
	return together(handoffParties, n, mu.Unlock, func(share int) {
		for range share {
			mu.Lock()
			mu.Unlock()
			runtime.Gosched()
		}
	})
}

func rwmutex(n int) figures {
	var rw sync.RWMutex
	return together(handoffParties, n, func() {}, func(share int) {
		for i := range share {
			if i%writerShare != 0 {
				rw.RLock()
				runtime.Gosched()
				rw.RUnlock()
			} else {
				rw.Lock()
				runtime.Gosched()
				rw.Unlock()
			}
		}
	})
}

func cond(n int) figures {
	var mu sync.Mutex
	condition := sync.NewCond(&mu)
	turn := 0
	var players sync.WaitGroup
	start := time.Now()
	for mine := range 2 {
		players.Add(1)
		go func() {
			for range n / 2 {
				mu.Lock()
				for turn != mine {
					condition.Wait()
				}
				turn = 1 - mine
				condition.Signal()
				mu.Unlock()
			}
			players.Done()
		}()
	}
	players.Wait()
	return since(start, n/2*2)
}

func semaphore(n int) figures {
	sem := make(chan struct{}, permits)
	start := time.Now()
	for range n {
		sem <- struct{}{}
		<-sem
	}
	return since(start, n)
}

func semaphoreHandoff(n int) figures {
	sem := make(chan struct{}, permits)
	for range permits {
		sem <- struct{}{}
	}
	release := func() {
		for range permits {
			<-sem
		}
	}
	return together(handoffParties, n, release, func(share int) {
		for range share {
			sem <- struct{}{}
			<-sem
		}
	})
}

// What errgroup.Group is without its errors: a channel for the limit, and a WaitGroup.
func errgroup(n int) figures {
	limit := make(chan struct{}, groupLimit)
	var group sync.WaitGroup
	var counter atomic.Int64
	start := time.Now()
	for range n {
		limit <- struct{}{}
		group.Add(1)
		go func() {
			runtime.Gosched()
			counter.Add(1)
			<-limit
			group.Done()
		}()
	}
	group.Wait()
	result := since(start, n)
	check(counter.Load() == int64(n), "not all have run")
	return result
}

func chainOfContexts() (context.Context, context.CancelFunc) {
	root, cancel := context.WithCancel(context.Background())
	parent := root
	for range contextDepth - 2 {
		parent, _ = context.WithCancel(parent)
	}
	return parent, cancel
}

func contextLeaves(n int) figures {
	parent, cancel := chainOfContexts()
	leaves := make([]context.Context, n)
	began := time.Now()
	for i := range leaves {
		leaves[i], _ = context.WithCancel(parent)
	}
	made := time.Since(began)
	start := time.Now()
	cancel()
	result := since(start, n)
	for _, leaf := range leaves {
		check(leaf.Err() != nil, "a leaf was not cancelled")
	}
	result["make_ns"] = perItem(made, n)
	return result
}

func contextGoroutines(n int) figures {
	parent, cancel := chainOfContexts()
	var group sync.WaitGroup
	var begun atomic.Int64
	for range n {
		group.Add(1)
		go func() {
			leaf, leave := context.WithCancel(parent)
			begun.Add(1)
			<-leaf.Done()
			leave()
			group.Done()
		}()
	}
	until(&begun, n)
	start := time.Now()
	cancel()
	group.Wait()
	return since(start, n)
}

func cpuTime() time.Duration {
	var usage syscall.Rusage
	check(syscall.Getrusage(syscall.RUSAGE_SELF, &usage) == nil, "no usage")
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func sleepers(n int) figures {
	naps := make([]time.Duration, n)
	for i := range naps {
		naps[i] = time.Duration(rand.Float64() * float64(time.Second))
	}
	var group sync.WaitGroup
	start := cpuTime()
	for _, nap := range naps {
		group.Add(1)
		go func() {
			time.Sleep(nap)
			group.Done()
		}()
	}
	group.Wait()
	return figures{"cpu_ns": perItem(cpuTime()-start, n)}
}

func broadcast(n int) figures {
	values := n / subscribers
	queues := make([]chan int, subscribers)
	for i := range queues {
		queues[i] = make(chan int, subscriberBuffer)
	}
	var group sync.WaitGroup
	var begun atomic.Int64
	for _, queue := range queues {
		group.Add(1)
		go func() {
			begun.Add(1)
			recvCount(queue, values)
			group.Done()
		}()
	}
	until(&begun, subscribers)
	start := time.Now()
	for value := range values {
		for _, queue := range queues {
			queue <- value
		}
	}
	group.Wait()
	return since(start, values*subscribers)
}

type call struct {
	done  sync.WaitGroup
	value int
}

// What golang.org/x/sync/singleflight.Group does for a function that neither panics nor fails.
type flights struct {
	mu    sync.Mutex
	calls map[int]*call
}

func (f *flights) do(key int, fetch func() int) int {
	f.mu.Lock()
	if c, ok := f.calls[key]; ok {
		f.mu.Unlock()
		c.done.Wait()
		return c.value
	}
	c := new(call)
	c.done.Add(1)
	f.calls[key] = c
	f.mu.Unlock()
	c.value = fetch()
	f.mu.Lock()
	delete(f.calls, key)
	f.mu.Unlock()
	c.done.Done()
	return c.value
}

func singleflight(n int) figures {
	f := &flights{calls: map[int]*call{}}
	start := time.Now()
	for key := range n / flightCallers {
		var group sync.WaitGroup
		for range flightCallers {
			group.Add(1)
			go func() {
				value := f.do(key, func() int { runtime.Gosched(); return key })
				check(value == key, "the wrong value")
				group.Done()
			}()
		}
		group.Wait()
	}
	return since(start, n/flightCallers*flightCallers)
}

// twoThreads runs the two on threads of their own.
func twoThreads(n int, first, second func()) figures {
	var group, ready sync.WaitGroup
	ready.Add(2)
	begin := make(chan struct{})
	for _, work := range []func(){first, second} {
		group.Add(1)
		go func() {
			runtime.LockOSThread()
			ready.Done()
			<-begin
			work()
			group.Done()
		}()
	}
	ready.Wait()
	start := time.Now()
	close(begin)
	group.Wait()
	return since(start, n/2*2)
}

func mutexThreads(n int) figures {
	var mu sync.Mutex
	counter := 0
	work := func() {
		for range n / 2 {
			mu.Lock()
			counter++
			mu.Unlock()
		}
	}
	result := twoThreads(n, work, work)
	check(counter == n/2*2, "a lost count")
	return result
}

func semaphoreThreads(n int) figures {
	first, second := make(chan struct{}, 1), make(chan struct{}, 1)
	first <- struct{}{}
	turns := func(mine, other chan struct{}) func() {
		return func() {
			for range n / 2 {
				<-mine
				other <- struct{}{}
			}
		}
	}
	return twoThreads(n, turns(first, second), turns(second, first))
}

func condThreads(n int) figures {
	var mu sync.Mutex
	condition := sync.NewCond(&mu)
	turn := 0
	player := func(mine int) func() {
		return func() {
			for range n / 2 {
				mu.Lock()
				for turn != mine {
					condition.Wait()
				}
				turn = 1 - mine
				condition.Signal()
				mu.Unlock()
			}
		}
	}
	return twoThreads(n, player(0), player(1))
}

func init() {
	for name, workload := range map[string]func(int) figures{
		"mutex":              mutex,
		"mutex_handoff":      mutexHandoff,
		"mutex_threads":      mutexThreads,
		"rwmutex":            rwmutex,
		"cond":               cond,
		"cond_threads":       condThreads,
		"semaphore":          semaphore,
		"semaphore_handoff":  semaphoreHandoff,
		"semaphore_threads":  semaphoreThreads,
		"errgroup":           errgroup,
		"context_leaves":     contextLeaves,
		"context_goroutines": contextGoroutines,
		"sleepers_1m":        sleepers,
		"broadcast":          broadcast,
		"singleflight":       singleflight,
	} {
		workloads[name] = workload
	}
}
