//! The door that every connection of librdkafka goes through: it connects to no address that is denied.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use libc::{sockaddr, socklen_t};

use super::super::context::Context;

/// Called by librdkafka on one of its threads in place of `connect`, with a socket that does not block: 0 if that is
/// connected or is about to be, else the error's number.
///
/// # Safety
/// `address` points to `length` bytes that are an address, `node` is null or a C string, and `context` points to a
/// [`Context`]; all live during the call.
pub(super) unsafe extern "C" fn connect(
    socket: c_int,
    address: *const sockaddr,
    length: c_int,
    node: *const c_char,
    context: *mut c_void,
) -> c_int {
    // SAFETY: what the caller promises.
    let (context, ip) = unsafe { (&*context.cast_const().cast::<Context>(), ip_of(address)) };
    let Some(ip) = ip else { return libc::EAFNOSUPPORT };
    // SAFETY: what the caller promises.
    let node = if node.is_null() { "".into() } else { unsafe { CStr::from_ptr(node) }.to_string_lossy() };
    let host = node.rsplit_once(':').map_or(&*node, |(host, _port)| host);
    if !context.lets(host, ip) {
        return libc::EACCES;
    }
    let length = socklen_t::try_from(length).unwrap_or(0);
    // SAFETY: the address is live and has this length; a socket that is none is an error.
    if unsafe { libc::connect(socket, address, length) } == 0 {
        return 0;
    }
    match io::Error::last_os_error().raw_os_error() {
        Some(libc::EINPROGRESS) => 0,
        error => error.unwrap_or(libc::EIO),
    }
}

/// # Safety
/// `address` points to an address that is as long as one of its family is.
unsafe fn ip_of(address: *const sockaddr) -> Option<IpAddr> {
    // SAFETY: what the caller promises. It may be less aligned than one of its family is.
    unsafe {
        match c_int::from((&raw const (*address).sa_family).read_unaligned()) {
            libc::AF_INET => {
                let address = address.cast::<libc::sockaddr_in>().read_unaligned();
                Some(Ipv4Addr::from(u32::from_be(address.sin_addr.s_addr)).into())
            }
            libc::AF_INET6 => {
                let address = address.cast::<libc::sockaddr_in6>().read_unaligned();
                Some(Ipv6Addr::from(address.sin6_addr.s6_addr).into())
            }
            _ => None,
        }
    }
}
