use callboard::prelude::*;

#[derive(Endpoint)]
#[endpoint(name = "Greeter.Hello", reply = ())]
union Hello {
    left: u8,
    right: u16,
}

fn main() {}
