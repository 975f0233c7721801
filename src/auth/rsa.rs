//! Signatures of RSA, verified: PKCS #1 v1.5 with SHA-256 (RFC 8017, 8.2.2), by a public key as PEM has it (RFC 5280, 4.1.2.7; RFC 7468).
//!
//! Nothing in here is secret: key, signature and text are known to whoever sends them. So it takes whatever time it takes, and wipes nothing.

use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::token::decoded;

/// Bits of a key.
const BITS: core::ops::RangeInclusive<usize> = 2048..=4096;
const PEM: [&str; 2] = ["-----BEGIN PUBLIC KEY-----", "-----END PUBLIC KEY-----"];
/// What an algorithm is called by that is RSA, with its empty parameters.
const RSA: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";
/// What stands before a hash of SHA-256 in what is signed.
const SHA256: &[u8] = b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20";

const SEQUENCE: u8 = 0x30;
const BIT_STRING: u8 = 0x03;
const INTEGER: u8 = 0x02;

/// Takes one value of DER from the front of `bytes`: its content.
fn value<'a>(bytes: &mut &'a [u8], tag: u8) -> Option<&'a [u8]> {
    let (&[found, first], mut rest) = bytes.split_first_chunk::<2>()?;
    if found != tag {
        return None;
    }
    let mut len = usize::from(first);
    if first >= 0x80 {
        // Of the lengths that a key has, none takes more than two bytes.
        let more = usize::from(first & 0x7f);
        let (digits, after) = rest.split_at_checked(more).filter(|_| (1..=2).contains(&more))?;
        len = digits.iter().fold(0, |len, digit| len << 8 | usize::from(*digit));
        rest = after;
    }
    let (content, rest) = rest.split_at_checked(len)?;
    *bytes = rest;
    Some(content)
}

/// A number in limbs, the lowest first.
type Number = Vec<u64>;

fn number(bytes: &[u8]) -> Number {
    let limb = |bytes: &[u8]| bytes.iter().fold(0, |limb, byte| limb << 8 | u64::from(*byte));
    bytes.rchunks(8).map(limb).collect()
}

fn is_less(a: &[u64], b: &[u64]) -> bool {
    a.iter().rev().lt(b.iter().rev())
}

/// Takes `b` away from `a`, both of one length; what is borrowed in the end is forgotten.
fn subtract(a: &mut [u64], b: &[u64]) {
    let mut borrow = false;
    for (a, b) in a.iter_mut().zip(b) {
        let (less, first) = a.overflowing_sub(*b);
        let (less, second) = less.overflowing_sub(u64::from(borrow));
        *a = less;
        borrow = first || second;
    }
}

/// The low half and the high half.
#[expect(clippy::cast_possible_truncation, reason = "the halves are what is wanted")]
const fn halves(wide: u128) -> (u64, u64) {
    (wide as u64, (wide >> 64) as u64)
}

/// Adds `times * b` to `a`; answers what is carried.
fn add_times(a: &mut [u64], b: &[u64], times: u64) -> u64 {
    let mut carry = 0;
    for (a, b) in a.iter_mut().zip(b) {
        (*a, carry) = halves(u128::from(*a) + u128::from(*b) * u128::from(times) + u128::from(carry));
    }
    carry
}

/// A public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PublicKey {
    modulus: Number,
    bytes: usize,
    exponent: u64,
    /// The inverse of the modulus' lowest limb, negated, and the square of Montgomery's radix.
    inverse: u64,
    square: Number,
}

impl PublicKey {
    /// The key in a text.
    ///
    /// # Errors
    /// There is none in it, or one that will not do.
    pub(super) fn of_pem(text: &str) -> Result<Self, &'static str> {
        let letters = text.split_once(PEM[0]).and_then(|(_, rest)| Some(rest.split_once(PEM[1])?.0));
        let letters = letters.ok_or("it holds no -----BEGIN PUBLIC KEY-----")?;
        let letters: String = letters.split_ascii_whitespace().collect();
        let der = decoded(&STANDARD, &letters).ok_or("what stands in it is no base64")?;
        let (modulus, exponent) = Self::of_der(&der).ok_or("it is no key of RSA")?;
        Self::new(modulus, exponent)
    }

    fn of_der(mut der: &[u8]) -> Option<(&[u8], u64)> {
        let mut info = value(&mut der, SEQUENCE).filter(|_| der.is_empty())?;
        if value(&mut info, SEQUENCE)? != RSA {
            return None;
        }
        let mut key = value(&mut info, BIT_STRING)?.strip_prefix(&[0])?;
        let mut pair = value(&mut key, SEQUENCE)?;
        let modulus = value(&mut pair, INTEGER)?.strip_prefix(&[0])?;
        let exponent = value(&mut pair, INTEGER).filter(|exponent| exponent.len() <= 5)?;
        Some((modulus, exponent.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))))
    }

    fn new(bytes: &[u8], exponent: u64) -> Result<Self, &'static str> {
        let modulus = number(bytes);
        let bits = modulus.len() * 64 - modulus.last().map_or(64, |limb| limb.leading_zeros() as usize);
        let lowest = modulus.first().copied().unwrap_or(0);
        if !BITS.contains(&bits) {
            return Err("a key has 2048 to 4096 bits");
        }
        if bytes.first() == Some(&0) || lowest & 1 == 0 || exponent < 3 || exponent & 1 == 0 || exponent >> 32 != 0 {
            return Err("no key of RSA has these numbers");
        }
        // Newton: each step doubles the bits that are right.
        let inverse = (0..6).fold(1_u64, |x, _| x.wrapping_mul(2_u64.wrapping_sub(lowest.wrapping_mul(x))));
        let mut square = vec![0; modulus.len()];
        if let Some(first) = square.first_mut() {
            *first = 1;
        }
        for _ in 0..2 * 64 * modulus.len() {
            let mut carry = 0;
            for limb in &mut square {
                (*limb, carry) = (*limb << 1 | carry, *limb >> 63);
            }
            if carry == 1 || !is_less(&square, &modulus) {
                subtract(&mut square, &modulus);
            }
        }
        Ok(Self { bytes: bits.div_ceil(8), modulus, exponent, inverse: inverse.wrapping_neg(), square })
    }

    /// Montgomery's product.
    fn product(&self, a: &[u64], b: &[u64]) -> Number {
        let mut sum = vec![0; self.modulus.len()];
        let mut top = 0;
        for limb in b {
            let (low, high) = halves(u128::from(top) + u128::from(add_times(&mut sum, a, *limb)));
            let times = sum.first().copied().unwrap_or(0).wrapping_mul(self.inverse);
            let carry = add_times(&mut sum, &self.modulus, times);
            let (last, more) = halves(u128::from(low) + u128::from(carry));
            top = high + more;
            // The lowest limb has become zero.
            sum.rotate_left(1);
            if let Some(place) = sum.last_mut() {
                *place = last;
            }
        }
        if top > 0 || !is_less(&sum, &self.modulus) {
            subtract(&mut sum, &self.modulus);
        }
        sum
    }

    /// `base` to the power of `exponent`, whose bits are given from the highest one on.
    fn power(&self, base: &[u64], exponent: impl Iterator<Item = bool>) -> Number {
        let mut one = vec![0; self.modulus.len()];
        if let Some(first) = one.first_mut() {
            *first = 1;
        }
        let base = self.product(base, &self.square);
        let mut power = self.product(&one, &self.square);
        for bit in exponent {
            power = self.product(&power, &power);
            if bit {
                power = self.product(&power, &base);
            }
        }
        self.product(&power, &one)
    }

    /// What is signed for a text: its hash, with all that stands before that, in as many bytes as the key has.
    fn padded(&self, text: &[u8]) -> Vec<u8> {
        let hash = Sha256::digest(text);
        let filler = self.bytes.saturating_sub(3 + SHA256.len() + hash.len());
        [&[0, 1][..], &vec![0xff; filler], &[0], SHA256, &hash].concat()
    }

    /// Whether `signature` is that of `text`.
    pub(super) fn verifies(&self, text: &[u8], signature: &[u8]) -> bool {
        let signed = number(signature);
        if signature.len() != self.bytes || !is_less(&signed, &self.modulus) {
            return false;
        }
        let bits = (0..u64::BITS - self.exponent.leading_zeros()).rev().map(|bit| self.exponent >> bit & 1 == 1);
        // All of it is compared, so that nothing can be hidden behind the hash.
        self.power(&signed, bits) == number(&self.padded(text))
    }

    /// Signs, by the secret exponent.
    #[cfg(test)]
    pub(super) fn sign(&self, text: &[u8], secret: &[u8]) -> Vec<u8> {
        let bits = secret.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1 == 1));
        let signed = self.power(&number(&self.padded(text)), bits);
        signed.iter().rev().flat_map(|limb| limb.to_be_bytes()).collect()
    }
}

#[cfg(test)]
pub(super) mod samples {
    //! Keys that were made for these tests, and are known to all the world.

    /// A public key, and its secret exponent.
    pub(in crate::auth) const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\n\
     MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA4S5fmHbh4patoAJapkyA\n\
     3L+EfN/Yrm7eLuFa4k7CkAwPVgh0iS2+r8ed4RMZqvADIMvs/fyFFywp10JpbiDZ\n\
     QsvsuQOVsD2TNAFnlwkFe6L4kh9eUVAtZzR3fJU2+Tty24XuQYrhpVUvXYA6Dqdu\n\
     CnBtCVsv3KD33nzQ79iAska17AeBsnJNz7Od9DLqw13G4T0X5zJM4YGCjOAHioX2\n\
     iApLZAck/ZEkOT3mCp9N2IkcXRVULlu0t3+9LLTGlbU+ZRu0HE+/j7KTX/c9IKVm\n\
     1kMqJ4vCkt7uWqAmPEh+FJ4C21H7gWM/K4GsT9v3HpjG63bJI480ww8t1ob/rNA5\n\
     EwIDAQAB\n\
     -----END PUBLIC KEY-----\n";
    const SECRET: &str = "0a3be3cf5793d38afa901b9b48149104b7558ba156c532b7b954b79f326a2846cc09a26fbd6e4d4ccadb3387fd32261f5645be5b1ab767c2b3921b6c\
     143bbcf40ab59301053411d0575c3afb83c6f284091d06fcefe01f7821cbce672faceb1540c1d8feb493a5c275d91f8343f83b09916b7b31e03e7c38\
     57adbf872f054654d786fa592574237c12f648d0f4ae8b21596d672b47703400aa3ad0914c370f6eac903c51f7a263ef26a7a376fba21234ffe97533\
     177c0145a94f7e0eb95376c788040bddbab9c1230d3831c64513ec4e47e0d90ad24de6cf0d24b5fd397bac4ccafd02a0e45e9c82e196f8385b569f15\
     c992ff7bef636812e98cfbfde66cb269";

    pub(in crate::auth) fn bytes(digits: &str) -> Vec<u8> {
        (0..digits.len() / 2).map(|n| u8::from_str_radix(&digits[2 * n..2 * n + 2], 16).unwrap()).collect()
    }

    pub(in crate::auth) fn sign(text: &str) -> Vec<u8> {
        super::PublicKey::of_pem(PUBLIC).unwrap().sign(text.as_bytes(), &bytes(SECRET))
    }
}

#[cfg(test)]
mod tests {
    use super::samples::{PUBLIC, bytes, sign};
    use super::*;

    const LARGER: &str = "-----BEGIN PUBLIC KEY-----\n\
     MIIBojANBgkqhkiG9w0BAQEFAAOCAY8AMIIBigKCAYEAtVFLWE71REpp5777yzy+\n\
     CFd+UidezYWXKqi3nIvjsfWRUN9YF21KOGZ3CGd/dEr/xqYdnDYrrNyXWVmGOEGX\n\
     Umbos5oUYTN4TDCNhHiC97wufNAgxl57OqDEPcShfcftejDpztdxZovOu45MWkXT\n\
     rNtekZz6lWwozZCinqDFXSxZe4w+TBKmLL1KssyGl3sCsoXO4t5LN/+U28hDf5VD\n\
     S+m0oEuP1BlhzNukUh9jzzapTtcwo/ksEdl3JvRcCm7XW06FWgmk0OyFB9qV/4H2\n\
     JAQBAIpUdFL6ay9DcRAWBoJxyk8T8DN3n1a9EqaFGpjOmLycaZHVbo7W4fgjCDVA\n\
     6TjE9w93RRmSQUSgH9KwcxDUycS6knef2SP63Ua3sNdxxEdcDC/d0lkiTprXLj6u\n\
     V+7bqqzpXZ5HRMk44HEUD1eEGo8pker4qCXC5qqmcyuxhbOVV8z+RHCtAHhh1Acg\n\
     8VL+DBIieNqIYCevIWnS2dtMkwnSRqjvUziNHzrTvlmpAgMBAAE=\n\
     -----END PUBLIC KEY-----\n";
    const SMALLER: &str = "-----BEGIN PUBLIC KEY-----\n\
     MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQC9ESP0g8ntH6+6oPGzrGonZYt8\n\
     j16T/Lfs0yg/LF0z493a/UiyjE69u/eu0WyywAwjSsIHqcrBBkDrY2UixcYmkhg+\n\
     IUdReZxE/bJ1xkqSgFKCaPYd8AzTx6LmY96ghlEO/avP2GF/7noVZxR1QhBtoIL/\n\
     XkIZ7Ku5uV0jFqpf4wIDAQAB\n\
     -----END PUBLIC KEY-----\n";
    const OTHER_KIND: &str = "-----BEGIN PUBLIC KEY-----\n\
     MCowBQYDK2VwAyEAqoE1OEP3N4gO/0mka//hdnAeQHVtqicT942Jwn36ooY=\n\
     -----END PUBLIC KEY-----\n";
    /// As OpenSSL has signed "a text", with both keys.
    const SIGNED: &str = "241e23e4a32a7cb355e7fac695af7daba7d616cc9f6e2c4058ef979c395effaa08f66ccfd6d9f4a203c420d2040531b8d4f192df7c63c2dd4046615f\
     220c02163adb5f97e832cf2c9f864be12c3a09df987997a629eb0898dea987780964fda818cca230fca79f471a9e212bc2d30a9f1b9b1e2d77ffd226\
     89563a2662c6248036188857e173c94ea9192281e49a06a22214c2c90756a76616f7f86ba6e4d5728f22c6c8dd0e0ee0bdb6481fe8d64e03de11c0b9\
     bffc6c88fcdfe2b5a610ee3fd1f20b2f16de1d2ea3bb73e9902e05efbdddc7b2408c2104d882f44769c846e99c187580a16cdd6b7a5442908ddd2e83\
     05c0f41a7f465159c5d8050faa0d18f0";
    const SIGNED_BY_LARGER: &str = "a17da414903e42045e1c235057bad0514e5ab8b7f19b1796af63b80ce2ca135bc2e6358c091a3117e0cba586756fa98ffba7269a59d29e405913edad\
     2afb912ff828a0fc6fdfcd79133e527703af827ac04c27b1f5099b1d5b332d00911716747ecea36c4d6d90d6ea41ff56c97890395e816b75b914291b\
     13f130be5198628e22e61fb38195b3a9febb9a6ff7a970963219f5b28cc7f00c60da801e8c0120c82282d6855f0e1de6bb93ca3f69aad94884274c2e\
     d804565479294a73e6c6bb3d360d09ad49c47b7aeba2270138e1abe628189c91c98e8d7c3a6c032da8eb0b2fe85357bcb64c68720987a18c547d9c3b\
     a0839ce7770e0ffe3fb869f97e09accce09ecad69e0167bdf47a707a24cd079a4b30a4a066b91142133d5f2ab5d7236063925644ca86f8560526fbe6\
     affd6aeb02c4583041d99c571ef3cab2f8cd778af3bda09b3e80b798225b65be1de49bbc732091f7923e99d6cbe04fca064752651ff6be29f1d9b1c4\
     caf35afb2714b9d998a344279803ae7141c43ed8ccb8876c";

    #[test]
    fn what_openssl_signs_is_verified_and_nothing_else() {
        for (key, signed) in [(PUBLIC, SIGNED), (LARGER, SIGNED_BY_LARGER)] {
            let (key, signed) = (PublicKey::of_pem(key).unwrap(), bytes(signed));
            assert!(key.verifies(b"a text", &signed));
            assert!(!key.verifies(b"another", &signed) && !key.verifies(b"a text", &signed[1..]));
            assert!(!key.verifies(b"a text", &[&[0][..], &signed].concat()) && !key.verifies(b"a text", &[]));
            for n in 0..signed.len() {
                let mut changed = signed.clone();
                changed[n] ^= 1 << (n % 8);
                assert!(!key.verifies(b"a text", &changed), "{n}");
            }
            assert!(!key.verifies(b"a text", &vec![0xff; signed.len()]), "more than the modulus");
            assert!(!key.verifies(b"a text", &vec![0; signed.len()]));
        }
        assert_eq!(sign("a text"), bytes(SIGNED));
    }

    #[test]
    fn keys_that_will_not_do_are_refused() {
        let said = |pem: &str| PublicKey::of_pem(pem).unwrap_err();
        assert_eq!(said(SMALLER), "a key has 2048 to 4096 bits");
        assert_eq!(said(OTHER_KIND), "it is no key of RSA");
        assert_eq!(said(""), "it holds no -----BEGIN PUBLIC KEY-----");
        assert_eq!(said(&PUBLIC.replace("PUBLIC", "PRIVATE")), "it holds no -----BEGIN PUBLIC KEY-----");
        assert_eq!(said(&PUBLIC.replace("MIIB", "M?IB")), "what stands in it is no base64");
        // However it is cut or changed, it is a key or is none.
        let letters: Vec<char> = PUBLIC.chars().collect();
        for n in 0..letters.len() {
            let mut changed = letters.clone();
            changed[n] = if changed[n] == 'A' { 'B' } else { 'A' };
            drop(PublicKey::of_pem(&changed.iter().collect::<String>()));
            let cut: String = letters.iter().take(n).chain(letters.iter().skip(n + 4)).collect();
            drop(PublicKey::of_pem(&cut));
        }
    }
}
