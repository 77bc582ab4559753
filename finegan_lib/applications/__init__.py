"""Applications of a trained FineGAN.

=============  ===================================================================================
module         what it does
=============  ===================================================================================
mixing         shape of one bird, appearance of another, background of a third, by their codes
inversion      the codes of a given picture: a search or an encoder, then gradient descent
encoder        the network that reads codes off pictures; trained on generated ones alone
readers        the encoder and two classifiers, trained once for a checkpoint and kept
photographs    one photograph, a folder of them or ToyBirds, as tensors
transfer       shape and pose of one photograph, appearance of another
interpolate    from one photograph or code to another: a strip and a GIF
segment        cuts real objects out; its network was trained on generated images only
cut_discovery  categories of objects that are cut out of their surroundings
kept           keeps networks that are trained once for a checkpoint, and finds them again
=============  ===================================================================================
"""

from .inversion import inversion_loss, invert
from .mixing import lay, layers, mix, repaint

__all__ = ["inversion_loss", "invert", "lay", "layers", "mix", "repaint"]
