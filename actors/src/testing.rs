//! What tests of back-ends and services need.
