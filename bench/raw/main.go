// Command raw is the floor of a fan-out: a TCP server that writes one message to
// all who are connected, some times a second, with a goroutine and a queue for
// each as a server needs that no slow client holds up, and nothing else.
package main

import (
	"flag"
	"fmt"
	"log"
	"net"
	"strings"
	"sync"
	"time"
)

func main() {
	size := flag.Int("bytes", 400, "of a message")
	rate := flag.Int("rate", 20, "messages a second")
	flag.Parse()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("http://%s\n", ln.Addr())
	var mu sync.Mutex
	queues := map[chan []byte]bool{}
	go func() {
		for range time.Tick(time.Second / time.Duration(*rate)) {
			m := message(*size)
			mu.Lock()
			for q := range queues {
				select {
				case q <- m:
				default: // it is slow, and misses one
				}
			}
			mu.Unlock()
		}
	}()
	for {
		conn, err := ln.Accept()
		if err != nil {
			log.Fatal(err)
		}
		q := make(chan []byte, 4)
		mu.Lock()
		queues[q] = true
		mu.Unlock()
		go func() {
			for m := range q {
				if _, err := conn.Write(m); err != nil {
					break
				}
			}
			mu.Lock()
			delete(queues, q)
			mu.Unlock()
			_ = conn.Close()
		}()
	}
}

// message says when it was made, as the hub's do.
func message(size int) []byte {
	m := fmt.Sprintf(`{"type":"metricsUpdate","timestamp":%d,"pad":"`, time.Now().UnixMilli())
	return []byte(m + strings.Repeat("x", max(0, size-len(m)-2)) + `"}`)
}
