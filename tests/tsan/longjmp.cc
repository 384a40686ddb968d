// How Lua raises an error: Debian builds Lua with _FORTIFY_SOURCE, whose longjmp() the thread
// sanitizer does not know. It would not see that our functions between the jump and its target have
// ended, and would carry their frames along for ever after: every stack that it keeps, one for each
// allocation, grows by them.

#include <setjmp.h>

extern "C" [[noreturn]] void __longjmp_chk(struct __jmp_buf_tag* target, int value) {
  longjmp(target, value);
}
