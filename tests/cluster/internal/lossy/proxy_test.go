package lossy

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestWhatAWriteIs(t *testing.T) {
	for _, row := range []struct{ method, path, want string }{
		{"GET", "/apis/keda.sh/v1alpha1/scaledobjects", ""},
		{"PATCH", "/apis/keda.sh/v1alpha1/namespaces/shop/scaledobjects/app/status", "patch scaledobjects/status"},
		{"POST", "/api/v1/namespaces/shop/events", "create events"},
		{"PUT", "/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers/app", "update horizontalpodautoscalers"},
		{"PATCH", "/apis/apiregistration.k8s.io/v1/apiservices/v1.x", "patch apiservices"},
		{"POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", ""},
		{"POST", "/api/v1/namespaces/shop/serviceaccounts/app/token", ""},
		{"DELETE", "/api/v1/namespaces/shop", "delete namespaces"},
	} {
		what, isWrite := write(httptest.NewRequest(row.method, row.path, nil))
		if what != row.want || isWrite != (row.want != "") {
			t.Errorf("%s %s: %q, want %q", row.method, row.path, what, row.want)
		}
	}
}

func TestFaultsAreWhatTheySay(t *testing.T) {
	var done atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { done.Add(1) }))
	defer server.Close()
	target, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := New(httputil.NewSingleHostReverseProxy(target))
	front := httptest.NewServer(proxy)
	defer front.Close()
	for _, row := range []struct {
		fate           Fate
		faults         Faults
		answered, does bool
	}{
		{Passed, Faults{}, true, true},
		{LostRequest, Faults{LostRequests: 1}, false, false},
		{LostAnswer, Faults{LostAnswers: 1}, false, true},
		{Hung, Faults{Hanging: 1}, false, true},
		{Late, Faults{Late: 1}, false, true},
	} {
		proxy.Set(row.faults)
		before, client := done.Load(), &http.Client{Timeout: 2 * time.Second}
		answer, err := client.Post(front.URL+"/api/v1/namespaces/shop/events", "", strings.NewReader("{}"))
		if err == nil {
			answer.Body.Close()
		}
		if (err == nil) != row.answered {
			t.Errorf("%s: answered with %v", row.fate, err)
		}
		for end := time.Now().Add(Lateness + time.Second); row.does && done.Load() == before && time.Now().Before(end); {
			time.Sleep(10 * time.Millisecond)
		}
		if (done.Load() > before) != row.does {
			t.Errorf("%s: done %d times, before %d", row.fate, done.Load(), before)
		}
		if proxy.Counts()["create events"][row.fate] != 1 {
			t.Errorf("%s: %v", row.fate, proxy.Counts())
		}
	}
}
