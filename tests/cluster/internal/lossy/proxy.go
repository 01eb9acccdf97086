// Package lossy is a proxy before the API server that loses writes at random, as
// an overloaded API server or a broken network does: the request is lost, or it
// is done and its answer is lost, or it is done after the client has given up.
package lossy

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httputil"
	"strings"
	"sync"
	"time"
)

// Faults are the shares of writes that are lost in each way, 0 to 1 in all.
type Faults struct {
	// LostRequests never reach the API server.
	LostRequests float64 `json:"lostRequests"`
	// LostAnswers are writes that are done, and whose connection is cut then.
	LostAnswers float64 `json:"lostAnswers"`
	// Hanging are writes that are done and never answered.
	Hanging float64 `json:"hanging"`
	// Late are writes that are done up to Lateness after the client saw its connection cut.
	Late float64 `json:"late"`
	// Seed makes the same faults again, as far as the order of requests is the same.
	Seed uint64 `json:"seed"`
}

// Lateness is the longest delay of a late write.
const Lateness = 3 * time.Second

// hang is longer than any client waits.
const hang = time.Minute

// maxBody bounds the body of a late write: the API server takes no more.
const maxBody = 3 << 20

// Fate is what became of a write.
type Fate string

// What may become of a write.
const (
	Passed      Fate = "passed"
	LostRequest Fate = "lostRequest"
	LostAnswer  Fate = "lostAnswer"
	Hung        Fate = "hung"
	Late        Fate = "late"
)

// Proxy passes requests on to one API server.
type Proxy struct {
	forward *httputil.ReverseProxy

	mu     sync.Mutex
	faults Faults
	random *rand.Rand
	// counts has the writes by what they write and what became of them.
	counts map[string]map[Fate]int
}

// New makes a proxy that loses nothing yet.
func New(forward *httputil.ReverseProxy) *Proxy {
	forward.FlushInterval = -1 // Watches.
	p := &Proxy{forward: forward, counts: map[string]map[Fate]int{}}
	p.Set(Faults{})
	return p
}

// Set changes the faults from now on.
func (p *Proxy) Set(faults Faults) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = faults
	p.random = rand.New(rand.NewPCG(faults.Seed, 0)) //nolint:gosec // Faults need no secrecy.
}

// Counts has the writes so far.
func (p *Proxy) Counts() map[string]map[Fate]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := map[string]map[Fate]int{}
	for what, counts := range p.counts {
		all[what] = map[Fate]int{}
		for fate, count := range counts {
			all[what][fate] = count
		}
	}
	return all
}

// fate decides what becomes of a write, and counts it.
func (p *Proxy) fate(what string) (Fate, time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fate, at := Passed, p.random.Float64()
	for _, one := range []struct {
		fate  Fate
		share float64
	}{
		{LostRequest, p.faults.LostRequests}, {LostAnswer, p.faults.LostAnswers}, {Hung, p.faults.Hanging}, {Late, p.faults.Late},
	} {
		if at < one.share {
			fate = one.fate
			break
		}
		at -= one.share
	}
	if p.counts[what] == nil {
		p.counts[what] = map[Fate]int{}
	}
	p.counts[what][fate]++
	return fate, time.Duration(p.random.Float64() * float64(Lateness))
}

// ServeHTTP passes reads on, and writes as the faults have it.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	what, isWrite := write(r)
	if !isWrite {
		p.forward.ServeHTTP(w, r)
		return
	}
	fate, delay := p.fate(what)
	switch fate {
	case Passed:
		p.forward.ServeHTTP(w, r)
		return
	case LostRequest:
	case LostAnswer:
		p.forward.ServeHTTP(&nobody{}, r)
	case Hung:
		p.forward.ServeHTTP(&nobody{}, r)
		select {
		case <-r.Context().Done():
		case <-time.After(hang):
		}
	case Late:
		p.later(r, delay)
	}
	panic(http.ErrAbortHandler) // Cuts the stream.
}

// later does a write after a delay, whether its client is still there or not.
func (p *Proxy) later(r *http.Request, delay time.Duration) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), delay+10*time.Second)
	late := r.Clone(ctx)
	late.Body = io.NopCloser(bytes.NewReader(body))
	time.AfterFunc(delay, func() {
		defer cancel()
		p.forward.ServeHTTP(&nobody{}, late)
	})
}

// nobody takes an answer that is lost.
type nobody struct{ header http.Header }

func (n *nobody) Header() http.Header {
	if n.header == nil {
		n.header = http.Header{}
	}
	return n.header
}

func (n *nobody) Write(body []byte) (int, error) { return len(body), nil }

func (n *nobody) WriteHeader(int) {}

// write says what a request writes: "patch scaledobjects/status". A review and a
// token are no writes.
func write(r *http.Request) (string, bool) {
	verb, ok := map[string]string{
		http.MethodPost: "create", http.MethodPut: "update", http.MethodPatch: "patch", http.MethodDelete: "delete",
	}[r.Method]
	if !ok {
		return "", false
	}
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	skip := 3 // apis/GROUP/VERSION
	if parts[0] == "api" {
		skip = 2
	}
	if len(parts) <= skip {
		return "", false
	}
	parts = parts[skip:]
	if parts[0] == "namespaces" && len(parts) > 2 {
		parts = parts[2:]
	}
	resource := parts[0]
	if len(parts) > 2 {
		resource += "/" + parts[2]
	}
	if strings.HasSuffix(resource, "reviews") || strings.HasSuffix(resource, "/token") {
		return "", false
	}
	return verb + " " + resource, true
}
