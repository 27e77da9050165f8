// The workloads of benchmarks/README.md in Go: main <workload> <n> prints the figures as JSON, main the workloads it has.
package main

import (
	"encoding/json"
	"fmt"
	"math/rand"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

const (
	mpmcPairs       = 16
	mpmcBuffer      = 128
	faninBuffer     = 8
	faninItems      = 20_000
	ringNodes       = 1_000
	skynetChildren  = 10
	selectWidth     = 4
)

type figures map[string]float64

func perItem(took time.Duration, n int) float64 { return float64(took.Nanoseconds()) / float64(n) }

func since(start time.Time, n int) figures { return figures{"ns": perItem(time.Since(start), n)} }

func check(holds bool, what string) {
	if !holds {
		panic(what)
	}
}

func rss() float64 {
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	var size, resident int
	fmt.Sscan(string(statm), &size, &resident)
	return float64(resident * os.Getpagesize())
}

func sendRange(ch chan int, n int) {
	for i := range n {
		ch <- i
	}
}

func recvCount(ch chan int, n int) {
	for range n {
		<-ch
	}
}

// until lets goroutines run until all of them have begun, and most likely wait.
func until(begun *atomic.Int64, n int) {
	for begun.Load() < int64(n) {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(10 * time.Millisecond)
}

func spawnJoin(n int) figures {
	var counter atomic.Int64
	var group sync.WaitGroup
	start := time.Now()
	for range n {
		group.Add(1)
		go func() {
			counter.Add(1)
			group.Done()
		}()
	}
	group.Wait()
	result := since(start, n)
	check(counter.Load() == int64(n), "not all have run")
	return result
}

func parked(n int) figures {
	before := rss()
	var group sync.WaitGroup
	var begun atomic.Int64
	ch := make(chan int)
	start := time.Now()
	for range n {
		group.Add(1)
		go func() {
			begun.Add(1)
			<-ch
			group.Done()
		}()
	}
	for begun.Load() < int64(n) {
		time.Sleep(time.Millisecond)
	}
	grown := rss() - before
	close(ch)
	group.Wait()
	result := since(start, n)
	result["bytes"] = grown / float64(n)
	return result
}

func pingpong(n int) figures {
	ping, pong := make(chan int), make(chan int)
	start := time.Now()
	go func() {
		for range n {
			pong <- <-ping
		}
	}()
	for i := range n {
		ping <- i
		<-pong
	}
	return since(start, n)
}

func prodcons(capacity int) func(int) figures {
	return func(n int) figures {
		ch := make(chan int, capacity)
		start := time.Now()
		go sendRange(ch, n)
		recvCount(ch, n)
		return since(start, n)
	}
}

func mpmc(n int) figures {
	ch := make(chan int, mpmcBuffer)
	share := n / mpmcPairs
	var group sync.WaitGroup
	start := time.Now()
	for range mpmcPairs {
		group.Add(2)
		go func() { sendRange(ch, share); group.Done() }()
		go func() { recvCount(ch, share); group.Done() }()
	}
	group.Wait()
	return since(start, share*mpmcPairs)
}

func channels(n int) figures {
	before := rss()
	kept := make([]chan int, n)
	start := time.Now()
	for i := range kept {
		kept[i] = make(chan int)
	}
	result := since(start, n)
	result["bytes"] = (rss() - before) / float64(len(kept))
	return result
}

func fanin(n int) figures {
	var whole, draining time.Duration
	rounds := max(1, faninItems/n)
	for range rounds {
		began := time.Now()
		ch := make(chan int, faninBuffer)
		var group sync.WaitGroup
		var begun atomic.Int64
		for range n {
			group.Add(1)
			go func() {
				begun.Add(1)
				ch <- 0
				group.Done()
			}()
		}
		parking := time.Now()
		until(&begun, n)
		slept := min(time.Since(parking), 10*time.Millisecond)
		start := time.Now()
		recvCount(ch, n)
		group.Wait()
		draining += time.Since(start)
		whole += time.Since(began) - slept
	}
	return figures{"ns": perItem(whole, n*rounds), "drain_ns": perItem(draining, n*rounds)}
}

func select4(n int) figures {
	var chans [selectWidth]chan int
	for i := range chans {
		chans[i] = make(chan int)
	}
	targets := make([]int, n)
	for i := range targets {
		targets[i] = rand.Intn(selectWidth)
	}
	start := time.Now()
	go func() {
		for _, i := range targets {
			chans[i] <- i
		}
	}()
	for range n {
		var index, value int
		select {
		case value = <-chans[0]:
			index = 0
		case value = <-chans[1]:
			index = 1
		case value = <-chans[2]:
			index = 2
		case value = <-chans[3]:
			index = 3
		}
		check(index == value, "the wrong case")
	}
	return since(start, n)
}

func ring(n int) figures {
	laps := n / ringNodes
	var chans [ringNodes]chan int
	for i := range chans {
		chans[i] = make(chan int)
	}
	start := time.Now()
	for i := range ringNodes - 1 {
		go func() {
			for range laps {
				chans[i+1] <- <-chans[i]
			}
		}()
	}
	for lap := range laps {
		chans[0] <- lap
		<-chans[ringNodes-1]
	}
	return since(start, laps*ringNodes)
}

// sieveHops counts the sends until the sieve has let lastPrime through.
func sieveHops(lastPrime int) int {
	var primes []int
	hops := 0
next:
	for candidate := 2; candidate <= lastPrime; candidate++ {
		for rank, prime := range primes {
			if candidate%prime == 0 {
				hops += rank + 1
				continue next
			}
		}
		primes = append(primes, candidate)
		hops += len(primes)
	}
	return hops
}

func sieve(n int) figures {
	start := time.Now()
	source := make(chan int)
	go func(out chan int) {
		for candidate := 2; ; candidate++ {
			out <- candidate
		}
	}(source)
	prime := 0
	for range n {
		prime = <-source
		out := make(chan int)
		go func(prime int, source, out chan int) {
			for {
				if candidate := <-source; candidate%prime != 0 {
					out <- candidate
				}
			}
		}(prime, source, out)
		source = out
	}
	took := time.Since(start)
	return figures{"ns": perItem(took, sieveHops(prime))}
}

func node(parent chan int, first, leaves int) {
	if leaves == 1 {
		parent <- first
		return
	}
	children := make(chan int)
	share := leaves / skynetChildren
	for i := range skynetChildren {
		go node(children, first+i*share, share)
	}
	total := 0
	for range skynetChildren {
		total += <-children
	}
	parent <- total
}

func skynet(n int) figures {
	leaves := 1
	for leaves*skynetChildren <= n {
		leaves *= skynetChildren
	}
	start := time.Now()
	root := make(chan int)
	go node(root, 0, leaves)
	total := <-root
	result := since(start, leaves)
	check(total == leaves*(leaves-1)/2, "the wrong sum")
	return result
}

var workloads = map[string]func(int) figures{
	"spawn_join":    spawnJoin,
	"parked":        parked,
	"pingpong":      pingpong,
	"prodcons_0":    prodcons(0),
	"prodcons_1":    prodcons(1),
	"prodcons_1024": prodcons(1024),
	"mpmc":          mpmc,
	"channels":      channels,
	"fanin_1k":      fanin,
	"fanin_10k":     fanin,
	"fanin_100k":    fanin,
	"fanin_1m":      fanin,
	"select_4":      select4,
	"ring":          ring,
	"sieve":         sieve,
	"skynet":        skynet,
}

func main() {
	out := json.NewEncoder(os.Stdout)
	if len(os.Args) == 1 {
		names := []string{}
		for name := range workloads {
			names = append(names, name)
		}
		check(out.Encode(names) == nil, "cannot write")
		return
	}
	n, err := strconv.Atoi(os.Args[2])
	check(err == nil, "n is a number")
	check(out.Encode(workloads[os.Args[1]](n)) == nil, "cannot write")
}
