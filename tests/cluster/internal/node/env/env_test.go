package env

import (
	"maps"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestExpand(t *testing.T) {
	vars := map[string]string{"A": "1", "B": "$(A)", "EMPTY": ""}
	for in, want := range map[string]string{
		"":               "",
		"plain":          "plain",
		"$(A)":           "1",
		"x$(A)y$(A)z":    "x1y1z",
		"$(B)":           "$(A)", // Values are not expanded again.
		"[$(EMPTY)]":     "[]",
		"$(UNKNOWN)":     "$(UNKNOWN)",
		"$(UNKNOWN$(A))": "$(UNKNOWN$(A))",
		"$$(A)":          "$(A)",
		"$$$(A)":         "$1",
		"100$":           "100$",
		"$(A":            "$(A",
		"$A ${A}":        "$A ${A}",
	} {
		if got := Expand(in, vars); got != want {
			t.Errorf("Expand(%q) is %q, want %q", in, got, want)
		}
	}
}

// objects is a Source with one Secret and one ConfigMap.
type objects struct{}

func (objects) Secret(name string) (map[string]string, error) {
	if name != "broker" {
		return nil, ErrNotFound
	}
	return map[string]string{"password": "s3cret"}, nil
}

func (objects) ConfigMap(name string) (map[string]string, error) {
	if name != "settings" {
		return nil, ErrNotFound
	}
	return map[string]string{"queue": "orders", "mode": "fast"}, nil
}

func secretKey(name, key string, optional bool) *corev1.EnvVarSource {
	return &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
		LocalObjectReference: corev1.LocalObjectReference{Name: name}, Key: key, Optional: &optional,
	}}
}

func fieldPath(path string) *corev1.EnvVarSource {
	return &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: path}}
}

func TestResolve(t *testing.T) {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Name: "worker-0", Namespace: "shop", UID: "u", Labels: map[string]string{"app.kubernetes.io/name": "worker"},
	}}
	container := &corev1.Container{
		EnvFrom: []corev1.EnvFromSource{
			{Prefix: "CFG_", ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "settings"}}},
			{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "gone"}, Optional: new(true)}},
		},
		Env: []corev1.EnvVar{
			{Name: "PASSWORD", ValueFrom: secretKey("broker", "password", false)},
			{Name: "URL", Value: "amqp://ebb:$(PASSWORD)@host/$(CFG_queue)"},
			{Name: "CFG_mode", Value: "slow"},
			{Name: "NO_KEY", ValueFrom: secretKey("broker", "gone", true)},
			{Name: "NO_SECRET", ValueFrom: secretKey("gone", "password", true)},
			{Name: "POD", ValueFrom: fieldPath("metadata.name")},
			{Name: "APP", ValueFrom: fieldPath("metadata.labels['app.kubernetes.io/name']")},
		},
	}
	got, err := Resolve(pod, container, objects{})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"PASSWORD": "s3cret", "URL": "amqp://ebb:s3cret@host/orders", "CFG_queue": "orders",
		"CFG_mode": "slow", "POD": "worker-0", "APP": "worker",
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestResolveNamesWhatIsMissing(t *testing.T) {
	for want, from := range map[string]*corev1.EnvVarSource{
		`env X: secret "gone": not found`:          secretKey("gone", "password", false),
		`env X: secret "broker" has no key "user"`: secretKey("broker", "user", false),
		`env X: field spec.hostname`:               fieldPath("spec.hostname"),
	} {
		container := &corev1.Container{Env: []corev1.EnvVar{{Name: "X", ValueFrom: from}}}
		_, err := Resolve(&corev1.Pod{}, container, objects{})
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
