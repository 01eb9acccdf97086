// Package metricsserver is an external metrics API made with the Kubernetes
// project's own libraries, for comparison: what a client sees of Ebb should be what
// it sees of this. It has one metric, of a value that never changes.
package metricsserver

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/pflag"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/klog/v2"
	"k8s.io/metrics/pkg/apis/external_metrics"
	"sigs.k8s.io/custom-metrics-apiserver/pkg/cmd"
	"sigs.k8s.io/custom-metrics-apiserver/pkg/provider"
)

// scaledObject is the label that names whose metric is asked for.
const scaledObject = "scaledobject.keda.sh/name"

// Main is the program. Besides the library's flags it has those of [fixed].
func Main(args []string) int {
	var metric fixed
	adapter := &cmd.AdapterBase{Name: "reference-metrics", FlagSet: pflag.NewFlagSet(args[0], pflag.ContinueOnError)}
	flags := adapter.Flags()
	flags.StringVar(&metric.namespace, "metric-namespace", "default", "where the metric is")
	flags.StringVar(&metric.owner, "metric-owner", "my-app", "the ScaledObject that has it")
	flags.StringVar(&metric.name, "metric-name", "s0-metric", "its name")
	flags.Int64Var(&metric.value, "metric-value", 1, "its value")
	logs := flag.NewFlagSet("logs", flag.ContinueOnError)
	klog.InitFlags(logs)
	flags.AddGoFlagSet(logs)
	if err := flags.Parse(args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	adapter.WithExternalMetrics(metric)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := adapter.Run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// fixed is the one metric, which has the value that it was started with.
type fixed struct {
	namespace, owner, name string
	value                  int64
}

// GetExternalMetric answers as KEDA's provider does: without a ScaledObject in the
// selector it is a bad request, and what there is not is not found.
func (m fixed) GetExternalMetric(
	_ context.Context, namespace string, selector labels.Selector, info provider.ExternalMetricInfo,
) (*external_metrics.ExternalMetricValueList, error) {
	owner, ok := selector.RequiresExactMatch(scaledObject)
	if !ok || owner == "" {
		return nil, apierrors.NewBadRequest("scaledObject name is not specified")
	}
	if namespace != m.namespace || owner != m.owner || info.Metric != m.name {
		return nil, provider.NewMetricNotFoundForSelectorError(
			external_metrics.Resource(info.Metric), info.Metric, namespace, selector)
	}
	return &external_metrics.ExternalMetricValueList{Items: []external_metrics.ExternalMetricValue{{
		MetricName: info.Metric,
		Timestamp:  metav1.Now(),
		Value:      *resource.NewQuantity(m.value, resource.DecimalSI),
	}}}, nil
}

// ListAllExternalMetrics names one resource for all metrics, as KEDA does.
func (m fixed) ListAllExternalMetrics() []provider.ExternalMetricInfo {
	return []provider.ExternalMetricInfo{{Metric: "externalmetrics"}}
}
