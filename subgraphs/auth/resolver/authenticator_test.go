package resolver_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

// authenticator is an authenticator and the browser around it: one ES256 passkey that
// can be found without a login, with "none" for its attestation.
type authenticator struct {
	t      *testing.T
	origin string
	rpID   string
	id     []byte
	key    *ecdsa.PrivateKey
	user   []byte
	count  uint32
	flags  byte // of the next answer
}

const (
	present  = 0x01
	verified = 0x04
	attested = 0x40
)

func newAuthenticator(t *testing.T) *authenticator {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	id := make([]byte, 16)
	_, _ = rand.Read(id)
	return &authenticator{t: t, origin: "https://cinema.example", rpID: "cinema.example", id: id, key: key, flags: present | verified}
}

func raw64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func (d *authenticator) clientData(kind, challenge string) []byte {
	text, err := json.Marshal(map[string]any{"type": kind, "challenge": challenge, "origin": d.origin, "crossOrigin": false})
	require.NoError(d.t, err)
	return text
}

func (d *authenticator) authData(flags byte) []byte {
	hash := sha256.Sum256([]byte(d.rpID))
	return binary.BigEndian.AppendUint32(append(hash[:], flags), d.count)
}

// create answers the options of a registration.
func (d *authenticator) create(options string) string {
	var o struct {
		Challenge              string
		User                   struct{ ID string }
		AuthenticatorSelection struct{ ResidentKey, UserVerification string }
	}
	require.NoError(d.t, json.Unmarshal([]byte(options), &o))
	require.Equal(d.t, "required", o.AuthenticatorSelection.ResidentKey)
	require.Equal(d.t, "required", o.AuthenticatorSelection.UserVerification)
	var err error
	d.user, err = base64.RawURLEncoding.DecodeString(o.User.ID)
	require.NoError(d.t, err)
	point, err := d.key.PublicKey.Bytes() // 4, x, y
	require.NoError(d.t, err)
	data := append(d.authData(d.flags|attested), make([]byte, 16)...)
	data = binary.BigEndian.AppendUint16(data, uint16(len(d.id)))
	data = append(data, d.id...)
	// COSE: kty EC2, alg ES256, crv P-256, x, y (RFC 9053 §7.1).
	data = append(data, 0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20)
	data = append(append(append(data, point[1:33]...), 0x22, 0x58, 0x20), point[33:]...)
	object := append([]byte("\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x59"), byte(len(data)>>8), byte(len(data)))
	return d.credential(map[string]any{
		"clientDataJSON": raw64(d.clientData("webauthn.create", o.Challenge)), "attestationObject": raw64(append(object, data...)),
		"transports": []string{"internal"},
	})
}

// get answers the options of a sign-in.
func (d *authenticator) get(options string) string {
	var o struct{ Challenge string }
	require.NoError(d.t, json.Unmarshal([]byte(options), &o))
	client, data := d.clientData("webauthn.get", o.Challenge), d.authData(d.flags)
	hash := sha256.Sum256(client)
	digest := sha256.Sum256(append(append([]byte{}, data...), hash[:]...))
	signature, err := ecdsa.SignASN1(rand.Reader, d.key, digest[:])
	require.NoError(d.t, err)
	return d.credential(map[string]any{
		"clientDataJSON": raw64(client), "authenticatorData": raw64(data), "signature": raw64(signature), "userHandle": raw64(d.user),
	})
}

func (d *authenticator) credential(response map[string]any) string {
	text, err := json.Marshal(map[string]any{
		"id": raw64(d.id), "rawId": raw64(d.id), "type": "public-key", "response": response, "clientExtensionResults": map[string]any{},
	})
	require.NoError(d.t, err)
	return string(text)
}
