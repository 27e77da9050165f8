// The servers of benchmarks/servers in Go: main echo|tls|http <port> <certificate> <key> serves until it is killed.
package main

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
)

const (
	bufferSize = 65536
	chunkSize  = 1024
	chunks     = 10
	blobSize   = 1 << 20
)

type document struct {
	Message string `json:"message"`
	Items   []int  `json:"items"`
	OK      bool   `json:"ok"`
}

func echo(conn net.Conn) {
	defer conn.Close()
	buffer := make([]byte, bufferSize)
	for {
		n, err := conn.Read(buffer)
		if err != nil {
			return
		}
		if _, err := conn.Write(buffer[:n]); err != nil {
			return
		}
	}
}

func serveEcho(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go echo(conn)
	}
}

func answer(w http.ResponseWriter, kind string, body []byte) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.Write(body)
}

func mux() *http.ServeMux {
	hello, blob, chunk := []byte("Hello, world!"), make([]byte, blobSize), make([]byte, chunkSize)
	for i := range chunk {
		chunk[i] = 'x'
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { answer(w, "text/plain", hello) })
	mux.HandleFunc("GET /json", func(w http.ResponseWriter, r *http.Request) {
		body, _ := json.Marshal(document{"Hello, world!", []int{1, 2, 3}, true})
		answer(w, "application/json", body)
	})
	mux.HandleFunc("POST /up", func(w http.ResponseWriter, r *http.Request) {
		size, _ := io.Copy(io.Discard, r.Body)
		answer(w, "text/plain", []byte(fmt.Sprint(size)))
	})
	mux.HandleFunc("GET /down", func(w http.ResponseWriter, r *http.Request) { answer(w, "text/plain", blob) })
	mux.HandleFunc("GET /stream", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		for range chunks {
			w.Write(chunk)
			w.(http.Flusher).Flush()
		}
	})
	return mux
}

func main() {
	kind, port, certificate, key := os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	listener, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		log.Fatal(err)
	}
	switch kind {
	case "echo":
		serveEcho(listener)
	case "tls":
		pair, err := tls.LoadX509KeyPair(certificate, key)
		if err != nil {
			log.Fatal(err)
		}
		serveEcho(tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{pair}}))
	case "http":
		log.Fatal(http.Serve(listener, mux()))
	}
}
