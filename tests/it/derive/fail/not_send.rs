use callboard::prelude::*;

#[derive(Serialize, Deserialize, Endpoint)]
#[endpoint(name = "Greeter.Hello", reply = ())]
struct Hello {
    #[serde(skip)]
    name: std::rc::Rc<str>,
}

fn main() {}
