package tokens

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func testServer(t *testing.T) *server {
	t.Helper()
	private := filepath.Join(t.TempDir(), "key")
	if err := writeKeys(private, private+".pub"); err != nil {
		t.Fatal(err)
	}
	key, err := readKey(private)
	if err != nil {
		t.Fatal(err)
	}
	s := newServer(key, "http://issuer", time.Minute)
	s.now = func() time.Time { return time.Unix(1000, 0) }
	return s
}

// ask sends a form to /token and returns the status and the body's fields.
func ask(t *testing.T, s *server, form url.Values, basic ...string) (int, map[string]any) {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/token", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if len(basic) == 2 {
		r.SetBasicAuth(basic[0], basic[1])
	}
	w := httptest.NewRecorder()
	s.handler().ServeHTTP(w, r)
	var fields map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &fields); err != nil {
		t.Fatalf("%v: %s", err, w.Body)
	}
	return w.Code, fields
}

// verified checks the signature of a token and returns its claims.
func verified(t *testing.T, token string, key *rsa.PublicKey) claims {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("token %q", token)
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if err := rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], signature); err != nil {
		t.Fatal(err)
	}
	body, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var c claims
	if err := json.Unmarshal(body, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestATokenSaysWhoMayDoWhatAndForHowLong(t *testing.T) {
	s := testServer(t)
	grant := url.Values{"grant_type": {"client_credentials"}}
	inBody := url.Values{"grant_type": {"client_credentials"}, "client_id": {ClientID}, "client_secret": {clientSecret}}
	for name, c := range map[string]struct {
		form     url.Values
		basic    []string
		scope    string
		lifetime int64
	}{
		"credentials in the body":      {form: inBody, scope: strings.Join(clients[0].scopes, " "), lifetime: 60},
		"credentials by Basic":         {form: grant, basic: []string{ClientID, clientSecret}, scope: strings.Join(clients[0].scopes, " "), lifetime: 60},
		"credentials by encoded Basic": {form: grant, basic: []string{ClientID, url.QueryEscape(clientSecret)}, scope: strings.Join(clients[0].scopes, " "), lifetime: 60},
		"a scope and a shorter lifetime": {
			form:  url.Values{"grant_type": {"client_credentials"}, "scope": {"kafka"}, "lifetime": {"5"}, "audience": {"x"}},
			basic: []string{ClientID, clientSecret}, scope: "kafka", lifetime: 5,
		},
	} {
		status, fields := ask(t, s, c.form, c.basic...)
		token, _ := fields["access_token"].(string)
		if status != http.StatusOK || fields["token_type"] != "Bearer" || fields["expires_in"] != float64(c.lifetime) {
			t.Errorf("%s: %d %v", name, status, fields)
			continue
		}
		got := verified(t, token, &s.key.PublicKey)
		if got.Subject != ClientID || got.Issuer != "http://issuer" || got.Scope != c.scope || got.Expires != 1000+c.lifetime {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got := s.stats.Issued[ClientID]; got != 4 {
		t.Errorf("%d tokens are counted", got)
	}
}

func TestAWrongRequestIsAnsweredAsOAuthWants(t *testing.T) {
	s := testServer(t)
	for name, c := range map[string]struct {
		form   url.Values
		status int
		code   string
	}{
		"a wrong secret": {
			url.Values{"grant_type": {"client_credentials"}, "client_id": {ClientID}, "client_secret": {"wrong"}},
			http.StatusUnauthorized, "invalid_client",
		},
		"no credentials": {url.Values{"grant_type": {"client_credentials"}}, http.StatusUnauthorized, "invalid_client"},
		"another grant": {
			url.Values{"grant_type": {"password"}, "client_id": {ClientID}, "client_secret": {clientSecret}},
			http.StatusBadRequest, "unsupported_grant_type",
		},
		"a scope of others": {
			url.Values{"grant_type": {"client_credentials"}, "client_id": {strangerID}, "client_secret": {strangerSecret}, "scope": {"kafka"}},
			http.StatusBadRequest, "invalid_scope",
		},
	} {
		if status, fields := ask(t, s, c.form); status != c.status || fields["error"] != c.code {
			t.Errorf("%s: %d %v", name, status, fields)
		}
	}
	if s.stats.Refused != 4 || len(s.stats.Issued) != 0 {
		t.Errorf("stats are %+v", s.stats)
	}
}

func TestStatsKeepTheParametersButNoSecret(t *testing.T) {
	s := testServer(t)
	ask(t, s, url.Values{
		"grant_type": {"client_credentials"}, "client_id": {ClientID}, "client_secret": {clientSecret}, "resource": {"orders"},
	})
	w := httptest.NewRecorder()
	s.handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/stats", nil))
	var got stats
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Last == nil || got.Last.Credentials != "body" || got.Last.Parameters["resource"] != "orders" {
		t.Errorf("last request is %+v", got.Last)
	}
	if strings.Contains(w.Body.String(), clientSecret) {
		t.Error("the secret is in the stats")
	}
}
