// Ctrl-C as a question that the program asks, so that it stops the answer and not the program.
#pragma once

namespace glimt {

// From now on SIGINT only sets a flag. Pressed three times without an effect, it ends the program with status 130.
void catch_interrupts();

bool interrupted();
void clear_interrupt();

// Becomes readable when the flag is set, so that poll() can wait for a key or for Ctrl-C.
int interrupt_fd();

}  // namespace glimt
