package env

import (
	"errors"
	"fmt"
	"maps"

	corev1 "k8s.io/api/core/v1"
)

// ErrNotFound is what a Source answers about an object that does not exist.
var ErrNotFound = errors.New("not found")

// Source reads the objects of the pod's namespace that a variable may refer to.
type Source interface {
	Secret(name string) (map[string]string, error)
	ConfigMap(name string) (map[string]string, error)
}

// Resolve returns the variables of a container. An error names the object or the
// key that is missing.
func Resolve(pod *corev1.Pod, container *corev1.Container, source Source) (map[string]string, error) {
	vars := map[string]string{}
	for _, from := range container.EnvFrom {
		imported, err := importAll(from, source)
		if err != nil {
			return nil, err
		}
		maps.Copy(vars, imported)
	}
	for _, variable := range container.Env {
		if variable.ValueFrom == nil {
			vars[variable.Name] = Expand(variable.Value, vars)
			continue
		}
		value, present, err := lookUp(pod, variable.ValueFrom, source)
		if err != nil {
			return nil, fmt.Errorf("env %s: %w", variable.Name, err)
		}
		if present {
			vars[variable.Name] = value
		}
	}
	return vars, nil
}

// importAll returns every key of the object an envFrom entry refers to.
func importAll(from corev1.EnvFromSource, source Source) (map[string]string, error) {
	var (
		data map[string]string
		err  error
	)
	switch {
	case from.SecretRef != nil:
		data, err = fetch(source.Secret, "secret", from.SecretRef.Name, from.SecretRef.Optional)
	case from.ConfigMapRef != nil:
		data, err = fetch(source.ConfigMap, "configmap", from.ConfigMapRef.Name, from.ConfigMapRef.Optional)
	}
	if err != nil {
		return nil, err
	}
	imported := map[string]string{}
	for key, value := range data {
		imported[from.Prefix+key] = value
	}
	return imported, nil
}

// lookUp returns the value a reference stands for. It is not present if the
// reference is optional and leads nowhere.
func lookUp(pod *corev1.Pod, from *corev1.EnvVarSource, source Source) (value string, present bool, err error) {
	switch {
	case from.SecretKeyRef != nil:
		ref := from.SecretKeyRef
		return lookUpKey(source.Secret, "secret", ref.Name, ref.Key, ref.Optional)
	case from.ConfigMapKeyRef != nil:
		ref := from.ConfigMapKeyRef
		return lookUpKey(source.ConfigMap, "configmap", ref.Name, ref.Key, ref.Optional)
	case from.FieldRef != nil:
		value, err = field(pod, from.FieldRef.FieldPath)
		return value, err == nil, err
	default:
		return "", false, errors.New("this kind of reference is not supported by the test bed")
	}
}

type getter func(name string) (map[string]string, error)

func lookUpKey(get getter, kind, name, key string, optional *bool) (value string, present bool, err error) {
	data, err := fetch(get, kind, name, optional)
	if err != nil {
		return "", false, err
	}
	value, present = data[key]
	if !present && !isTrue(optional) {
		return "", false, fmt.Errorf("%s %q has no key %q", kind, name, key)
	}
	return value, present, nil
}

// fetch returns an object's data, which is empty for an optional object that does
// not exist.
func fetch(get getter, kind, name string, optional *bool) (map[string]string, error) {
	data, err := get(name)
	switch {
	case err == nil:
		return data, nil
	case errors.Is(err, ErrNotFound) && isTrue(optional):
		return nil, nil
	default:
		return nil, fmt.Errorf("%s %q: %w", kind, name, err)
	}
}

func isTrue(optional *bool) bool { return optional != nil && *optional }
