package bed

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"

	"ebb/tests/cluster/internal/part"
)

// partState is how the control API shows a part.
type partState struct {
	Name    string `json:"name"`
	PID     int    `json:"pid"`
	Running bool   `json:"running"`
}

func stateOf(p *part.Part) partState {
	pid, running := p.PID()
	return partState{Name: p.Name(), PID: pid, Running: running}
}

// serveControl offers the control API, by which a test takes parts of the bed
// away and gives them back.
func (b *bed) serveControl(port int) (url string, err error) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /parts", b.listParts)
	mux.HandleFunc("POST /parts/{name}/{action}", b.actOnPart)
	mux.HandleFunc("GET /doors", b.listDoors)
	mux.HandleFunc("POST /doors/{name}/{mode}", b.setDoor)
	if b.kafka != nil {
		mux.Handle("/kafka/", b.kafka.Control())
	}
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return "", err
	}
	b.control = &http.Server{Handler: mux}
	go func() { _ = b.control.Serve(listener) }() // Ends with the bed.
	return "http://" + listener.Addr().String(), nil
}

func (b *bed) listParts(w http.ResponseWriter, _ *http.Request) {
	states := make([]partState, len(b.parts))
	for i, p := range b.parts {
		states[i] = stateOf(p)
	}
	writeJSON(w, states)
}

// actOnPart answers when the action is complete: a part that was started is
// ready, and one that was stopped is gone.
func (b *bed) actOnPart(w http.ResponseWriter, r *http.Request) {
	p := b.part(r.PathValue("name"))
	if p == nil {
		http.Error(w, "no such part", http.StatusNotFound)
		return
	}
	switch r.PathValue("action") {
	case "start":
		// Not the request's context: a test that gives up must not leave the part
		// half started.
		if err := p.Start(b.ctx); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
	case "stop":
		p.Stop()
	case "kill":
		p.Kill()
	case "pause":
		p.Pause()
	case "resume":
		p.Resume()
	default:
		http.Error(w, "the actions are start, stop, kill, pause and resume", http.StatusNotFound)
		return
	}
	progress("%s: %s", p.Name(), r.PathValue("action"))
	writeJSON(w, stateOf(p))
}

func (b *bed) part(name string) *part.Part {
	for _, p := range b.parts {
		if p.Name() == name {
			return p
		}
	}
	return nil
}

func writeJSON(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value) // Fails if the client has gone.
}
