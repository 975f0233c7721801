//! What a WebSocket client sends, written without the room that reads it.

/// A frame: its first byte (0x80 for the last of a message, and what it is), then the payload under a mask.
pub(crate) fn client_frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    let mut frame = vec![first];
    if let Ok(len @ 0..=125) = u8::try_from(payload.len()) {
        frame.push(0x80 | len);
    } else if let Ok(len) = u16::try_from(payload.len()) {
        frame.push(0xfe);
        frame.extend(len.to_be_bytes());
    } else {
        frame.push(0xff);
        frame.extend((payload.len() as u64).to_be_bytes());
    }
    frame.extend(mask);
    frame.extend(payload.iter().enumerate().map(|(n, byte)| byte ^ mask[n % 4]));
    frame
}
