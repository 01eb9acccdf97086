package part

import (
	"context"
	"fmt"
	"net/http"
)

// Probe returns a readiness check that wants status 200 from a URL.
func Probe(client *http.Client, url string) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		request.Close = true // A server that stops may wait for its idle connections.
		response, err := client.Do(request)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("%s answers %s", request.URL.Redacted(), response.Status)
		}
		return nil
	}
}
