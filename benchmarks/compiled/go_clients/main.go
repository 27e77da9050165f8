// The clients of benchmarks/servers that make connections rather than keep them:
// main connect|echo|requests|resets <port> <n> <clients> prints its figures as JSON.
//
// One thread (GOMAXPROCS=1), as there is one CPU for it. An answer is checked by its first bytes and its length, which the
// first one tells; whatever else happens ends the program, and so the measurement.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	pipelined   = 16
	messageSize = 1024
	bufferSize  = 65536
	patience    = 30 * time.Second // for one answer
)

var (
	host       = "GET / HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n"
	kept       = []byte(host + "\r\n")
	closed     = []byte(host + "Connection: close\r\n\r\n")
	halfBehind = append(slices.Clone(kept), kept[:20]...)
	message    = bytes.Repeat([]byte("0123456789abcdef"), messageSize/16)
)

func fail(what string, err error) {
	fmt.Fprintf(os.Stderr, "%s: %v\n", what, err)
	os.Exit(1)
}

func dial(address string) *net.TCPConn {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		fail("connect", err)
	}
	conn.SetDeadline(time.Now().Add(patience))
	return conn.(*net.TCPConn)
}

func write(conn net.Conn, data []byte) {
	if _, err := conn.Write(data); err != nil {
		fail("write", err)
	}
}

// One answer, with whatever way of telling its length; how many bytes it has.
func readAnswer(conn net.Conn, buffer []byte) int {
	n := 0
	for {
		m, err := conn.Read(buffer[n:])
		n += m
		head, body, whole := bytes.Cut(buffer[:n], []byte("\r\n\r\n"))
		if whole {
			if !bytes.HasPrefix(head, []byte("HTTP/1.1 200 ")) {
				fail("answer", fmt.Errorf("%q", head))
			}
			_, rest, found := bytes.Cut(bytes.ToLower(head), []byte("\r\ncontent-length: "))
			if !found {
				fail("answer", fmt.Errorf("without a length: %q", head))
			}
			digits, _, _ := bytes.Cut(rest, []byte("\r\n"))
			if length, _ := strconv.Atoi(string(digits)); len(body) == length {
				return n
			}
		}
		if err != nil {
			fail("read", err)
		}
	}
}

// A connection of one request.
func connect(address string, buffer []byte) {
	conn := dial(address)
	write(conn, closed)
	readAnswer(conn, buffer)
	conn.Close()
}

// A connection of one message that comes back.
func echo(address string, buffer []byte) {
	conn := dial(address)
	write(conn, message)
	if _, err := io.ReadFull(conn, buffer[:messageSize]); err != nil {
		fail("read", err)
	}
	conn.Close()
}

// A connection that is reset in the middle of its second request.
func reset(address string, buffer []byte) {
	conn := dial(address)
	conn.SetLinger(0)
	write(conn, halfBehind)
	readAnswer(conn, buffer)
	conn.Close()
}

// A connection of many requests, some of them in flight; takes what it asks from `left`.
func requests(address string, buffer []byte, left *atomic.Int64, spent *[]float64) {
	conn := dial(address)
	defer conn.Close()
	write(conn, kept)
	size := int64(readAnswer(conn, buffer))
	batch := bytes.Repeat(kept, pipelined)
	for {
		taken := min(pipelined, left.Add(-pipelined)+pipelined)
		if taken <= 0 {
			return
		}
		conn.SetDeadline(time.Now().Add(patience))
		began := time.Now()
		write(conn, batch[:int(taken)*len(kept)])
		if _, err := io.ReadFull(conn, buffer[:taken*size]); err != nil {
			fail("read", err)
		}
		*spent = append(*spent, float64(time.Since(began).Nanoseconds()))
	}
}

func each(once func(string, []byte)) func(string, []byte, *atomic.Int64, *[]float64) {
	return func(address string, buffer []byte, left *atomic.Int64, spent *[]float64) {
		for left.Add(-1) >= 0 {
			began := time.Now()
			once(address, buffer)
			*spent = append(*spent, float64(time.Since(began).Nanoseconds()))
		}
	}
}

func cpu() float64 {
	var usage syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()).Seconds()
}

func main() {
	kinds := map[string]func(string, []byte, *atomic.Int64, *[]float64){
		"connect": each(connect), "echo": each(echo), "resets": each(reset), "requests": requests,
	}
	work := kinds[os.Args[1]]
	address := "127.0.0.1:" + os.Args[2]
	n, _ := strconv.ParseInt(os.Args[3], 10, 64)
	clients, _ := strconv.Atoi(os.Args[4])
	var left atomic.Int64
	left.Store(n)
	times := make([][]float64, clients)
	var running sync.WaitGroup
	began, before := time.Now(), cpu()
	for i := range clients {
		running.Add(1)
		go func() {
			defer running.Done()
			work(address, make([]byte, bufferSize), &left, &times[i])
		}()
	}
	running.Wait()
	seconds := time.Since(began).Seconds()
	spent := slices.Concat(times...)
	slices.Sort(spent)
	json.NewEncoder(os.Stdout).Encode(map[string]float64{
		"rate": float64(n) / seconds, "client_busy": (cpu() - before) / seconds,
		"p50_ns": spent[len(spent)/2], "p99_ns": spent[len(spent)*99/100],
	})
}
