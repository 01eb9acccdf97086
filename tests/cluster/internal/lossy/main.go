package lossy

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"

	"ebb/tests/cluster/internal/pki"
)

// Info is what a test has to know of a running proxy.
type Info struct {
	// URL is the API server's as its clients see it.
	URL string `json:"url"`
	// CA is the file with the authority of its certificate.
	CA string `json:"ca"`
	// Control takes the faults (POST /faults) and has the counts (GET /counts).
	Control string `json:"control"`
}

// Main runs the proxy until its standard input ends.
func Main(args []string) int {
	flags := flag.NewFlagSet(args[0], flag.ExitOnError)
	upstream := flags.String("upstream", "", "the URL of the API server")
	upstreamCA := flags.String("upstream-ca", "", "the file with the API server's authority")
	dir := flags.String("dir", "", "the folder for the proxy's own certificates")
	_ = flags.Parse(args[1:])
	if err := run(*upstream, *upstreamCA, *dir); err != nil {
		fmt.Fprintln(os.Stderr, "lossy:", err)
		return 1
	}
	return 0
}

func run(upstream, upstreamCA, dir string) error {
	forward, err := reverseProxy(upstream, upstreamCA)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	authority, err := pki.NewAuthority(dir, "lossy-ca")
	if err != nil {
		return err
	}
	pair, err := authority.Server("lossy")
	if err != nil {
		return err
	}
	proxy := New(forward)
	front, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	control, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	quiet := log.New(io.Discard, "", 0) // Cut streams are its business.
	forward.ErrorLog = quiet
	ended := make(chan error, 2)
	go func() {
		server := &http.Server{Handler: proxy, ErrorLog: quiet} //nolint:gosec // Loopback.
		ended <- server.ServeTLS(front, pair.Cert, pair.Key)
	}()
	go func() { ended <- http.Serve(control, proxy.control()) }() //nolint:gosec // Loopback.
	go func() {
		_, err := io.Copy(io.Discard, os.Stdin)
		ended <- err
	}()
	info := Info{URL: "https://" + front.Addr().String(), CA: authority.Cert, Control: "http://" + control.Addr().String()}
	if err := json.NewEncoder(os.Stdout).Encode(info); err != nil {
		return err
	}
	return <-ended
}

func reverseProxy(upstream, upstreamCA string) (*httputil.ReverseProxy, error) {
	target, err := url.Parse(upstream)
	if err != nil {
		return nil, err
	}
	pem, err := os.ReadFile(upstreamCA)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	forward := httputil.NewSingleHostReverseProxy(target)
	forward.Transport = &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true,
	}
	return forward, nil
}

func (p *Proxy) control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /faults", func(w http.ResponseWriter, r *http.Request) {
		var faults Faults
		if err := json.NewDecoder(r.Body).Decode(&faults); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		p.Set(faults)
	})
	mux.HandleFunc("GET /counts", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(p.Counts())
	})
	return mux
}
