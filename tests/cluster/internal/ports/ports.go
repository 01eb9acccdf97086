// Package ports hands out TCP ports on 127.0.0.1 to the servers of one bed.
//
// A port found free by listening on it and closing again can be taken by
// somebody else a moment later: by another bed, or as the source port of any
// outgoing connection. So the ports come from below the kernel's ephemeral
// range, in blocks, and a block belongs to one process until it ends. That also
// keeps a server's port free while the server is stopped.
package ports

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
)

const (
	first     = 21000 // Linux hands out ephemeral ports from 32768 on.
	blockSize = 20
	blocks    = 500
)

// Block is a range of ports that no other bed uses.
type Block struct {
	lock net.Listener
	next int
	end  int
}

// Claim takes a free block.
func Claim() (*Block, error) {
	for _, n := range rand.Perm(blocks) {
		if block, err := claim(n); err == nil {
			return block, nil
		}
	}
	return nil, errors.New("no free block of ports: end some of the beds")
}

func claim(n int) (*Block, error) {
	// An abstract socket is a lock with the scope of the ports themselves, the
	// network namespace, and the kernel releases it however its owner dies.
	lock, err := net.Listen("unix", fmt.Sprintf("@ebb-bed/ports/%d", n))
	if err != nil {
		return nil, err
	}
	return &Block{lock: lock, next: first + n*blockSize, end: first + (n+1)*blockSize}, nil
}

// Next returns a port of the block on which nobody listens.
func (b *Block) Next() (int, error) {
	for b.next < b.end {
		port := b.next
		b.next++
		if listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			_ = listener.Close()
			return port, nil
		}
	}
	return 0, fmt.Errorf("no free port left below %d", b.end)
}

// Release gives the block back.
func (b *Block) Release() { _ = b.lock.Close() }
