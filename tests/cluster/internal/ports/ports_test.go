package ports

import (
	"fmt"
	"net"
	"testing"
)

func TestABlockBelongsToOne(t *testing.T) {
	block, err := Claim()
	if err != nil {
		t.Fatal(err)
	}
	n := (block.next - first) / blockSize
	if _, err := claim(n); err == nil {
		t.Errorf("block %d was claimed twice", n)
	}
	block.Release()
	again, err := claim(n)
	if err != nil {
		t.Fatalf("block %d cannot be claimed after its release: %v", n, err)
	}
	again.Release()
}

func TestNextSkipsPortsInUse(t *testing.T) {
	block, err := Claim()
	if err != nil {
		t.Fatal(err)
	}
	defer block.Release()
	taken := block.next
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", taken))
	if err != nil {
		t.Skipf("port %d is in use: %v", taken, err)
	}
	defer listener.Close()
	port, err := block.Next()
	if err != nil {
		t.Fatal(err)
	}
	if port <= taken || port >= block.end {
		t.Errorf("got port %d, want one between %d and %d", port, taken, block.end)
	}
}

func TestABlockThatRunsOutGoesOnInAnother(t *testing.T) {
	block, err := Claim()
	if err != nil {
		t.Fatal(err)
	}
	defer block.Release()
	seen := map[int]bool{}
	for range blockSize + 1 {
		port, err := block.Next()
		if err != nil {
			t.Fatal(err)
		}
		if seen[port] {
			t.Errorf("port %d was handed out twice", port)
		}
		seen[port] = true
		if _, err := claim((port - first) / blockSize); err == nil {
			t.Errorf("port %d may be another bed's", port)
		}
	}
}
