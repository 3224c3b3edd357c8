//! Answers of tools: the `outcome` of the contract.

/// A tool's answer.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Its parts, in order.
    pub content: Vec<Content>,
    /// The same for programs: the text of a JSON object.
    pub structured: Option<String>,
}

/// A part of an answer.
#[derive(Debug, Clone)]
pub enum Content {
    /// Text for the model.
    Text(String),
    /// A picture.
    Image(Media),
    /// A sound.
    Audio(Media),
    /// A document.
    Embedded(Embedded),
}

/// Bytes of a media type.
#[derive(Debug, Clone)]
pub struct Media {
    /// The bytes, not encoded.
    pub data: Vec<u8>,
    /// For example `image/png`.
    pub mime_type: String,
}

/// A text document within an answer.
#[derive(Debug, Clone)]
pub struct Embedded {
    /// Its name.
    pub uri: String,
    /// For example `text/yaml`.
    pub mime_type: String,
    /// Its text.
    pub text: String,
}
