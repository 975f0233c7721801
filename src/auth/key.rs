//! Public keys: 32 bytes, written in Z85 (ZeroMQ RFC 32), and the files that hold them.

use core::fmt;

/// The letters of Z85, each worth its place.
const LETTERS: &[u8; 85] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";
/// Letters of a key.
const KEY_LETTERS: usize = 40;

/// A public key of CURVE.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key(pub [u8; 32]);

impl Key {
    /// Reads 40 letters of Z85.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != KEY_LETTERS {
            return None;
        }
        let mut bytes = [0; 32];
        for (group, place) in text.as_bytes().chunks_exact(5).zip(bytes.chunks_exact_mut(4)) {
            let mut value = 0_u64;
            for letter in group {
                let digit = LETTERS.iter().position(|known| known == letter)?;
                value = value * 85 + u64::try_from(digit).ok()?;
            }
            place.copy_from_slice(&u32::try_from(value).ok()?.to_be_bytes());
        }
        Some(Self(bytes))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for group in self.0.chunks_exact(4) {
            let value = group.iter().fold(0_u32, |value, byte| (value << 8) | u32::from(*byte));
            for power in [85_u32.pow(4), 85_u32.pow(3), 85_u32.pow(2), 85, 1] {
                let digit = usize::try_from(value / power % 85).unwrap_or(0);
                f.write_str(LETTERS.get(digit..=digit).and_then(|one| core::str::from_utf8(one).ok()).unwrap_or("?"))?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({self})")
    }
}

/// The value behind `name =` in a certificate as pyzmq and CZMQ write it, in quotes or not.
fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    lines.find_map(|line| {
        let (found, value) = line.split_once('=')?;
        (found.trim() == name).then(|| value.trim().trim_matches('"'))
    })
}

/// The secret key in a file, 40 letters of Z85 or a certificate, and the public one that stands beside it, if one does.
///
/// # Errors
/// There is none in it.
pub fn secret_key(text: &str) -> Result<([u8; 32], Option<Key>), String> {
    let letters = value(text, "secret-key").unwrap_or_else(|| text.trim());
    let secret = Key::parse(letters).ok_or("it holds no secret key: 40 letters of Z85, or a certificate with one")?;
    Ok((secret.0, value(text, "public-key").and_then(Key::parse)))
}

/// The public key in a text, 40 letters of Z85 or a certificate.
///
/// # Errors
/// There is none in it, or a secret one, which is not to lie where a public one does.
pub fn public_key(text: &str) -> Result<Key, String> {
    if value(text, "secret-key").is_some() {
        return Err("it holds a secret key, which belongs nowhere but to its owner".to_owned());
    }
    let letters = value(text, "public-key").unwrap_or_else(|| text.trim());
    Key::parse(letters).ok_or_else(|| "it holds no public key: 40 letters of Z85, or a certificate with one".to_owned())
}

/// Wipes a text with a secret in it.
pub fn wipe(text: String) {
    zeroize::Zeroize::zeroize(&mut { text });
}

/// A file of a directory of keys, one user each: whoever may sign in as the file is called has its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFile {
    /// The name that its key may sign in as.
    pub name: String,
    /// The key, in letters.
    pub key: String,
}

impl KeyFile {
    /// Judges a file by its name and its text. One that is hidden is none.
    ///
    /// # Errors
    /// What is wrong with it: a secret where none belongs, a name that nobody can have, no key in it.
    pub fn judge(file: &str, text: &str) -> Result<Option<Self>, String> {
        if file.starts_with('.') {
            return Ok(None);
        }
        if file.contains("secret") || value(text, "secret-key").is_some() {
            return Err(format!("{file} holds a secret key, which belongs nowhere but to its owner: take it away"));
        }
        let name = [".public", ".key"].iter().find_map(|end| file.strip_suffix(end)).unwrap_or(file);
        let key = public_key(text).map_err(|why| why.replacen("it holds", &format!("{file} holds"), 1))?;
        Ok(Some(Self { name: name.to_owned(), key: key.to_string() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 32, and a pair of its size.
    #[test]
    fn a_key_reads_back_as_it_is_written() {
        let key = Key([
            0x8e, 0x0b, 0xdd, 0x69, 0x76, 0x28, 0xb9, 0x1d, 0x8f, 0x24, 0x55, 0x87, 0xee, 0x95, 0xc5, 0xb0, 0x4d, 0x48,
            0x96, 0x3f, 0x79, 0x25, 0x98, 0x77, 0xb4, 0x9c, 0xd9, 0x06, 0x3a, 0xea, 0xd3, 0xb7,
        ]);
        let text = "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6";
        assert_eq!((key.to_string().as_str(), Key::parse(text)), (text, Some(key)));
        for n in 0..=255 {
            let key = Key([n; 32]);
            assert_eq!(Key::parse(&key.to_string()), Some(key));
        }
        for wrong in ["", &text[1..], &text.replace('K', "~"), &"#".repeat(40), &format!("{text} ")] {
            assert_eq!(Key::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_secret_stands_alone_or_in_a_certificate() {
        let text = "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6";
        let key = Key::parse(text).unwrap();
        assert_eq!(secret_key(&format!("{text}\n")), Ok((key.0, None)));
        let certificate = format!("# made today\ncurve\n    public-key = \"{text}\"\n    secret-key = \"{text}\"\n");
        assert_eq!(secret_key(&certificate), Ok((key.0, Some(key))));
        assert!(secret_key("public-key = \"x\"").is_err() && secret_key("").is_err());
    }

    #[test]
    fn a_file_of_a_key_is_pylecos_or_a_certificate() {
        let text = "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6";
        let file = |name: &str| Ok(Some(KeyFile { name: name.to_owned(), key: text.to_owned() }));
        assert_eq!(KeyFile::judge("N1.Actor1.public", &format!("{text}\n")), file("N1.Actor1"));
        let certificate = format!("#  made today\nmetadata\ncurve\n    public-key = \"{text}\"\n");
        assert_eq!(KeyFile::judge("laser.key", &certificate), file("laser"));
        assert_eq!(KeyFile::judge(".gitignore", "x"), Ok(None));
        let secret = format!("{certificate}    secret-key = \"{text}\"\n");
        for (name, content) in [("laser.key_secret", text), ("laser.key", &*secret), ("laser.public", "no key")] {
            assert!(KeyFile::judge(name, content).unwrap_err().starts_with(name));
        }
    }
}
