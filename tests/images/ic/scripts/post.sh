set -eu
# Scripts start in the root, and find what is beside the file that names them.
test "$(pwd)" = /
. "$(dirname "$0")/words.sh"
tree --version > /etc/fitted.d/tree
say "$1 $WHO"
cp /_imageconfigs/files/notice.txt /etc/fitted.d/copied
