//! How messages are encoded and decoded.

use std::marker::PhantomData;

use prost::Message;
use tonic::{
    Status,
    codec::{BufferSettings, Codec, EncodeBuf, Encoder},
};
use tonic_prost::ProstDecoder;

/// Encodes and decodes messages as tonic's own codec does, but into a buffer that is as large as the
/// message needs, and without a buffer for messages that are whole: tonic then decodes from the bytes that
/// it is given, where it would copy them first.
#[derive(Clone, Debug)]
pub struct WholeMessageCodec<T, U>(PhantomData<(T, U)>);

/// The bytes that the encoder writes before it passes them on: tonic's own value.
const YIELD_THRESHOLD: usize = 32 * 1024;

/// The first size of the buffer that a message is encoded into: most messages fit, and the allocator has
/// blocks of this size at hand. tonic's own buffer, of 8 KiB, costs a search for each message.
const ENCODE_BUFFER: usize = 1024;

impl<T, U> Default for WholeMessageCodec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> Codec for WholeMessageCodec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = SizedEncoder<T>;
    type Decoder = ProstDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        SizedEncoder(PhantomData)
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProstDecoder::new(BufferSettings::new(0, YIELD_THRESHOLD))
    }
}

/// Encodes messages into a buffer that grows once at most.
#[derive(Clone, Debug)]
pub struct SizedEncoder<T>(PhantomData<T>);

impl<T: Message> Encoder for SizedEncoder<T> {
    type Item = T;
    type Error = Status;

    fn encode(&mut self, message: T, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.reserve(message.encoded_len());
        message.encode(buffer).map_err(|error| Status::internal(error.to_string()))
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::new(ENCODE_BUFFER, YIELD_THRESHOLD)
    }
}
