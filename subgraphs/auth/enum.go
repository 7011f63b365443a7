package auth

import (
	"fmt"
	"io"
	"slices"
	"strconv"
)

// DeviceKind is a kind of device.
type DeviceKind string

// The kinds of devices.
const (
	DeviceDesktop DeviceKind = "DESKTOP"
	DevicePhone   DeviceKind = "PHONE"
	DeviceTablet  DeviceKind = "TABLET"
	DeviceTV      DeviceKind = "TV"
	DeviceOther   DeviceKind = "OTHER"
)

// Network is where an address belongs.
type Network string

// The networks.
const (
	NetworkThisMachine Network = "THIS_MACHINE"
	NetworkLocal       Network = "LOCAL"
	NetworkInternet    Network = "INTERNET"
	NetworkUnknown     Network = "UNKNOWN"
)

// Avatar is what a profile's picture shows.
type Avatar string

// AvatarLetter is the first letter of the name.
const AvatarLetter Avatar = "LETTER"

// SignInMethod is a way to sign in.
type SignInMethod string

// The ways to sign in.
const (
	SignInByPassword SignInMethod = "PASSWORD"
	SignInBySignUp   SignInMethod = "SIGN_UP"
	SignInByPasskey  SignInMethod = "PASSKEY"
	// With a second step; the last is an administrator's who had to set one up.
	SignInByPasswordAndCode         SignInMethod = "PASSWORD_AND_CODE"
	SignInByPasswordAndRecoveryCode SignInMethod = "PASSWORD_AND_RECOVERY_CODE"
	SignInByPasswordAndPasskey      SignInMethod = "PASSWORD_AND_PASSKEY"
	SignInByPasswordAndSetUp        SignInMethod = "PASSWORD_AND_SET_UP"
	// With a provider's word in place of a password.
	SignInByProvider                SignInMethod = "PROVIDER"
	SignInByProviderAndCode         SignInMethod = "PROVIDER_AND_CODE"
	SignInByProviderAndRecoveryCode SignInMethod = "PROVIDER_AND_RECOVERY_CODE"
	SignInByProviderAndPasskey      SignInMethod = "PROVIDER_AND_PASSKEY"
	SignInByProviderAndSetUp        SignInMethod = "PROVIDER_AND_SET_UP"
)

// SignInOutcome is what came of a sign-in.
type SignInOutcome string

// What comes of sign-ins.
const (
	SignInSucceeded     SignInOutcome = "SUCCEEDED"
	SignInWrongPassword SignInOutcome = "WRONG_PASSWORD"
	SignInBlocked       SignInOutcome = "BLOCKED"
	// The password was right, and nothing came of it yet.
	SignInSecondFactorDue SignInOutcome = "SECOND_FACTOR_DUE"
	SignInWrongFactor     SignInOutcome = "WRONG_FACTOR"
)

func marshal[E ~string](w io.Writer, e E) { _, _ = io.WriteString(w, strconv.Quote(string(e))) }

func unmarshal[E ~string](e *E, v any, kind string, all ...E) error {
	s, ok := v.(string)
	if !ok || !slices.Contains(all, E(s)) {
		return fmt.Errorf("%v is not a %s", v, kind)
	}
	*e = E(s)
	return nil
}

// MarshalGQL implements graphql.Marshaler.
func (k DeviceKind) MarshalGQL(w io.Writer) { marshal(w, k) }

// UnmarshalGQL implements graphql.Unmarshaler.
func (k *DeviceKind) UnmarshalGQL(v any) error {
	return unmarshal(k, v, "DeviceKind", DeviceDesktop, DevicePhone, DeviceTablet, DeviceTV, DeviceOther)
}

// MarshalGQL implements graphql.Marshaler.
func (n Network) MarshalGQL(w io.Writer) { marshal(w, n) }

// UnmarshalGQL implements graphql.Unmarshaler.
func (n *Network) UnmarshalGQL(v any) error {
	return unmarshal(n, v, "Network", NetworkThisMachine, NetworkLocal, NetworkInternet, NetworkUnknown)
}

// MarshalGQL implements graphql.Marshaler.
func (m SignInMethod) MarshalGQL(w io.Writer) { marshal(w, m) }

// UnmarshalGQL implements graphql.Unmarshaler.
func (m *SignInMethod) UnmarshalGQL(v any) error {
	return unmarshal(m, v, "SignInMethod", SignInByPassword, SignInBySignUp, SignInByPasskey,
		SignInByPasswordAndCode, SignInByPasswordAndRecoveryCode, SignInByPasswordAndPasskey, SignInByPasswordAndSetUp,
		SignInByProvider, SignInByProviderAndCode, SignInByProviderAndRecoveryCode, SignInByProviderAndPasskey, SignInByProviderAndSetUp)
}

// MarshalGQL implements graphql.Marshaler.
func (o SignInOutcome) MarshalGQL(w io.Writer) { marshal(w, o) }

// UnmarshalGQL implements graphql.Unmarshaler.
func (o *SignInOutcome) UnmarshalGQL(v any) error {
	return unmarshal(o, v, "SignInOutcome", SignInSucceeded, SignInWrongPassword, SignInBlocked, SignInSecondFactorDue, SignInWrongFactor)
}

// MarshalGQL implements graphql.Marshaler.
func (o UserSort) MarshalGQL(w io.Writer) { marshal(w, o) }

// UnmarshalGQL implements graphql.Unmarshaler.
func (o *UserSort) UnmarshalGQL(v any) error {
	return unmarshal(o, v, "UserSort", UsersNewest, UsersLastSeen)
}
