//go:build kubernetes135

package main

// reference is empty where the libraries of the external metrics API have no release for this version of Kubernetes.
var reference map[string]func(args []string) int
