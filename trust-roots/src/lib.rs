//! What is trusted, and the verification of any one signed document.
