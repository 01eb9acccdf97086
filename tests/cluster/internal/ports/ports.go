// Package ports hands out TCP ports on 127.0.0.1 to the servers of one bed.
//
// A port found free by listening on it and closing again can be taken by
// somebody else a moment later: by another bed, or as the source port of any
// outgoing connection. So the ports come from below the kernel's ephemeral
// range, in blocks, and a block belongs to one process until it ends. That also
// keeps a server's port free while the server is stopped. A bed that needs more
// ports than a block has is given another one.
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

// Block is a set of ports that no other bed uses.
type Block struct {
	locks []net.Listener
	next  int
	end   int
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
	return &Block{locks: []net.Listener{lock}, next: first + n*blockSize, end: first + (n+1)*blockSize}, nil
}

// Next returns a port on which nobody listens.
func (b *Block) Next() (int, error) {
	for {
		for b.next < b.end {
			port := b.next
			b.next++
			if listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
				_ = listener.Close()
				return port, nil
			}
		}
		more, err := Claim()
		if err != nil {
			return 0, err
		}
		b.locks = append(b.locks, more.locks...)
		b.next, b.end = more.next, more.end
	}
}

// Release gives all of it back.
func (b *Block) Release() {
	for _, lock := range b.locks {
		_ = lock.Close()
	}
}
