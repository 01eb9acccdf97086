package pki

import "os"

// KeyPassword opens the encrypted copy of the client's key.
const KeyPassword = "opens-the-key"

// Brokers are the certificates of the brokers and of their users. Their authority
// vouches for nobody in the control plane.
type Brokers struct {
	CA     *Authority
	Server Pair
	// Expired is a server's certificate that was valid until an hour ago.
	Expired Pair
	// Client is a user with every right, Limited one with few.
	Client  Pair
	Limited Pair
	// EncryptedKey is the client's key again, encrypted with KeyPassword.
	EncryptedKey string
}

// NewBrokers makes the certificates for users of the given names in the files of dir.
func NewBrokers(dir, client, limited string) (b *Brokers, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	b = &Brokers{}
	if b.CA, err = NewAuthority(dir, "brokers-ca"); err != nil {
		return nil, err
	}
	if b.Server, err = b.CA.Server("brokers"); err != nil {
		return nil, err
	}
	if b.Expired, err = b.CA.ExpiredServer("brokers-expired"); err != nil {
		return nil, err
	}
	if b.Client, err = b.CA.Client("brokers-client", client); err != nil {
		return nil, err
	}
	if b.Limited, err = b.CA.Client("brokers-limited-client", limited); err != nil {
		return nil, err
	}
	b.EncryptedKey, err = encryptKey(b.Client.Key, KeyPassword)
	return b, err
}
