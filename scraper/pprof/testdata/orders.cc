// A program that keeps what it should not; recorded for tests.
#include <cstdlib>
#include <cstring>
#include <string>
#ifdef TCMALLOC
#include <gperftools/malloc_extension.h>
#endif
static char *kept[4000];
static volatile int n;
__attribute__((noinline)) char *copy_order(size_t size) {
  char *p = (char *)malloc(size); memset(p, 1, size); return p;
}
__attribute__((noinline)) void remember_order(int i) { kept[i] = copy_order(20000); n++; }
__attribute__((noinline)) void serve_request(int i) { char *t = new char[70000]; memset(t, 2, 70000); remember_order(i); delete[] t; n++; }
int main() {
  for (int i = 0; i < 2000; i++) serve_request(i);
#ifdef TCMALLOC
  std::string s; MallocExtension::instance()->GetHeapSample(&s); fwrite(s.data(), 1, s.size(), stdout);
#endif
  return n > 5000;
}
