package node

import (
	"context"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"ebb/tests/cluster/internal/node/env"
)

const sourceTimeout = 10 * time.Second

// clusterSource reads Secrets and ConfigMaps of a namespace as they are now.
type clusterSource struct {
	client    kubernetes.Interface
	namespace string
}

func (s clusterSource) Secret(name string) (map[string]string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), sourceTimeout)
	defer cancel()
	secret, err := s.client.CoreV1().Secrets(s.namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, sourceError(err)
	}
	data := make(map[string]string, len(secret.Data))
	for key, value := range secret.Data {
		data[key] = string(value)
	}
	return data, nil
}

func (s clusterSource) ConfigMap(name string) (map[string]string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), sourceTimeout)
	defer cancel()
	configMap, err := s.client.CoreV1().ConfigMaps(s.namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, sourceError(err)
	}
	return configMap.Data, nil
}

func sourceError(err error) error {
	if apierrors.IsNotFound(err) {
		return env.ErrNotFound
	}
	return err
}
