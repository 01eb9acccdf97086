//go:build !kubernetes135

package main

import "ebb/tests/cluster/internal/metricsserver"

// reference is the external metrics API that Ebb is compared with.
var reference = map[string]func(args []string) int{"external-metrics": metricsserver.Main}
