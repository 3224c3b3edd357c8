//! Results of tools: the `outcome` of the contract.

/// A tool's result.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Parts of the answer, in order.
    pub content: Vec<Content>,
    /// The same result for programs: the text of a JSON object.
    pub structured: Option<String>,
}

/// A part of an answer.
#[derive(Debug, Clone)]
pub enum Content {
    /// Text for the model.
    Text(String),
    /// An image.
    Image(Media),
    /// An audio clip.
    Audio(Media),
    /// An embedded document.
    Embedded(Embedded),
}

/// Bytes of a media type.
#[derive(Debug, Clone)]
pub struct Media {
    /// The bytes, not base64-encoded.
    pub data: Vec<u8>,
    /// For example `image/png`.
    pub mime_type: String,
}

/// A text document within an answer.
#[derive(Debug, Clone)]
pub struct Embedded {
    /// URI of the document.
    pub uri: String,
    /// For example `text/yaml`.
    pub mime_type: String,
    /// Text of the document.
    pub text: String,
}
