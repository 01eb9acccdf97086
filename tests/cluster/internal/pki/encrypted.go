package pki

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"os"
	"strings"
)

// The object identifiers of PBES2 (RFC 8018): a key from a password by PBKDF2 with
// HMAC-SHA-256, and AES-256 in CBC mode.
var (
	oidPBES2      = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}
	oidPBKDF2     = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}
	oidHMACSHA256 = asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 9}
	oidAES256CBC  = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 42}
)

type pbkdf2Parameters struct {
	Salt       []byte
	Iterations int
	PRF        pkix.AlgorithmIdentifier
}

type pbes2Parameters struct {
	KDF, Encryption pkix.AlgorithmIdentifier
}

type encryptedPrivateKey struct {
	Algorithm pkix.AlgorithmIdentifier
	Data      []byte
}

// encryptKey writes a copy of a PKCS #8 key that a password protects, beside it,
// and returns its path.
func encryptKey(path, password string) (string, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	block, _ := pem.Decode(content)
	if block == nil {
		return "", errors.New(path + " is no PEM file")
	}
	der, err := encryptedPKCS8(block.Bytes, password)
	if err != nil {
		return "", err
	}
	encrypted := strings.TrimSuffix(path, ".key") + ".encrypted.key"
	return encrypted, writePEM(encrypted, "ENCRYPTED PRIVATE KEY", der)
}

func encryptedPKCS8(key []byte, password string) ([]byte, error) {
	const iterations = 10_000
	salt, iv := make([]byte, 16), make([]byte, aes.BlockSize)
	_, _ = rand.Read(salt) // Never fails.
	_, _ = rand.Read(iv)
	secret, err := pbkdf2.Key(sha256.New, password, salt, iterations, 32)
	if err != nil {
		return nil, err
	}
	cipherBlock, err := aes.NewCipher(secret)
	if err != nil {
		return nil, err
	}
	padding := aes.BlockSize - len(key)%aes.BlockSize
	data := append([]byte{}, key...)
	for range padding {
		data = append(data, byte(padding))
	}
	cipher.NewCBCEncrypter(cipherBlock, iv).CryptBlocks(data, data)

	kdf, err := algorithm(oidPBKDF2, pbkdf2Parameters{
		Salt: salt, Iterations: iterations, PRF: pkix.AlgorithmIdentifier{Algorithm: oidHMACSHA256, Parameters: asn1.NullRawValue},
	})
	if err != nil {
		return nil, err
	}
	encryption, err := algorithm(oidAES256CBC, iv)
	if err != nil {
		return nil, err
	}
	pbes2, err := algorithm(oidPBES2, pbes2Parameters{KDF: kdf, Encryption: encryption})
	if err != nil {
		return nil, err
	}
	return asn1.Marshal(encryptedPrivateKey{Algorithm: pbes2, Data: data})
}

func algorithm(oid asn1.ObjectIdentifier, parameters any) (pkix.AlgorithmIdentifier, error) {
	der, err := asn1.Marshal(parameters)
	return pkix.AlgorithmIdentifier{Algorithm: oid, Parameters: asn1.RawValue{FullBytes: der}}, err
}
