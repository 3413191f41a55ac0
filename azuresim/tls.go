// SPDX-License-Identifier: Apache-2.0

package azuresim

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"time"
)

// authority is a certificate authority made at the start, with the leaves that
// the hosts show: a good one, one that has expired and one of a stranger.
type authority struct {
	pem                    []byte
	cert                   *x509.Certificate
	good, expired, foreign *tls.Certificate
}

// The certificates hold for any simulated time, because clients check them
// against their own clocks.
var validFrom, validTo = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)

func newAuthority() (*authority, error) {
	a := &authority{}
	key, cert, err := root("tickmark simulator")
	if err != nil {
		return nil, err
	}
	a.cert = cert
	a.pem = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
	if a.good, err = leaf(key, cert, validTo); err != nil {
		return nil, err
	}
	if a.expired, err = leaf(key, cert, validFrom.AddDate(1, 0, 0)); err != nil {
		return nil, err
	}
	stranger, strangerCert, err := root("tickmark stranger")
	if err != nil {
		return nil, err
	}
	a.foreign, err = leaf(stranger, strangerCert, validTo)
	return a, err
}

func root(name string) (*ecdsa.PrivateKey, *x509.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make the simulator's key: %w", err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name, Organization: []string{"tickmark simulator, not Microsoft"}},
		NotBefore: validFrom, NotAfter: validTo,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		return nil, nil, fmt.Errorf("make the simulator's authority: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	return key, cert, err
}

func leaf(key *ecdsa.PrivateKey, parent *x509.Certificate, to time.Time) (*tls.Certificate, error) {
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a host's key: %w", err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "localhost"}, NotBefore: validFrom, NotAfter: to,
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, &own.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("make a host's certificate: %w", err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: own}, nil
}

func (a *authority) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

// certificate chooses what a host shows: faults may want another one.
func (s *Sim) certificate(host string) func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		switch s.connectionFault(host) {
		case "expired":
			return s.ca.expired, nil
		case "stranger":
			return s.ca.foreign, nil
		}
		return s.ca.good, nil
	}
}
