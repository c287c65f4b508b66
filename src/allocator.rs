//! The allocator, and how it is set. It serves the C code too.

/// librdkafka allocates on one thread and frees on another, which costs the system's allocator about ten times as much.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// An arena for two processors, as there is a shard for two, in place of four for each: what one thread frees another takes.
/// Draining 3 M records took 96 MB where it were 111 with an arena for each. Free pages go back after three seconds, in place
/// of ten. `MALLOC_CONF` in the environment goes before it.
const SETTINGS: &std::ffi::CStr = c"narenas_ratio:0.5,dirty_decay_ms:3000,muzzy_decay_ms:0";

/// A pointer to text, as C sees it.
#[repr(transparent)]
struct Text(*const std::ffi::c_char);

// SAFETY: nothing ever writes to the text.
#[allow(unsafe_code)]
unsafe impl Sync for Text {}

// SAFETY: jemalloc looks for this name, as a pointer to text that ends with a zero, and nobody else has it.
#[allow(unsafe_code)]
#[unsafe(export_name = "malloc_conf")]
static MALLOC_CONF: Text = Text(SETTINGS.as_ptr());
