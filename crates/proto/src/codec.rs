//! How messages are encoded and decoded.

use std::marker::PhantomData;

use prost::Message;
use tonic::codec::{BufferSettings, Codec};
use tonic_prost::{ProstDecoder, ProstEncoder};

/// Encodes and decodes messages as tonic's own codec does, but without a buffer for messages that
/// are whole: tonic then decodes from the bytes that it is given, where it would copy them first.
#[derive(Clone, Debug)]
pub struct WholeMessageCodec<T, U>(PhantomData<(T, U)>);

/// The bytes that the encoder writes before it passes them on: tonic's own value.
const YIELD_THRESHOLD: usize = 32 * 1024;

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
    type Encoder = ProstEncoder<T>;
    type Decoder = ProstDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstEncoder::default()
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProstDecoder::new(BufferSettings::new(0, YIELD_THRESHOLD))
    }
}
